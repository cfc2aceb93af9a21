// What the player holds down: of several directions the one that was pressed last.
const KEYS = {
  ArrowUp: "UP", KeyW: "UP", ArrowLeft: "LEFT", KeyA: "LEFT", ArrowRight: "RIGHT", KeyD: "RIGHT", ArrowDown: "DOWN", KeyS: "DOWN",
};

export class Held {
  constructor(changed) {
    this.directions = [];
    this.changed = changed;
  }

  get action() {
    return this.directions.at(-1) ?? "NOOP";
  }

  press(direction) {
    this.directions = [...this.directions.filter((held) => held !== direction), direction];
    this.changed(this.action);
  }

  release(direction) {
    this.directions = this.directions.filter((held) => held !== direction);
    this.changed(this.action);
  }

  releaseAll() {
    this.directions = [];
    this.changed(this.action);
  }
}

export function listenToKeys(held, shortcuts) {
  const typing = (event) => event.target.matches("input[type=number], select");
  addEventListener("keydown", (event) => {
    if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = KEYS[event.code], shortcut = shortcuts[event.code];
    if (!direction && !(shortcut && !(event.code === "Space" && event.target.matches("button, summary, input")))) return;
    event.preventDefault();
    if (event.repeat) return;
    if (direction) held.press(direction); else shortcut();
  });
  addEventListener("keyup", (event) => {
    if (KEYS[event.code]) held.release(KEYS[event.code]);
    if (event.code.startsWith("Meta")) held.releaseAll(); // a Mac does not tell of keys that are let go under Cmd
  });
}

export function listenToPad(pad, held) {
  for (const button of pad.querySelectorAll("button")) {
    const direction = button.dataset.action;
    button.addEventListener("pointerdown", (event) => { event.preventDefault(); button.setPointerCapture(event.pointerId); held.press(direction); });
    for (const end of ["pointerup", "pointercancel"]) button.addEventListener(end, () => held.release(direction));
  }
}
