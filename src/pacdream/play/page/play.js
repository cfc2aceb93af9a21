// The page: a source brings pictures, keys go back.
import { Held, listenToKeys, listenToPad } from "./keys.js";
import { connect as open } from "./source.js";
import { View } from "./view.js";
import { readTick } from "./wire.js";

const at = (id) => document.getElementById(id);
const HEARTBEAT = 1000, RETRY = 1000; // milliseconds
let socket, facts, dream, game, tick, number = 0, paused = false;
const sentAt = new Map();

const held = new Held((action) => input(action));
listenToKeys(held, { Space: () => pause(!paused), Period: step, KeyR: () => command("swap", null), KeyN: newGame, KeyG: toggleGame, KeyM: chooseModel, KeyV: () => at("record").click() });
listenToPad(at("pad"), held);
at("pause").onclick = () => pause(!paused);
at("step").onclick = step;
at("swap").onclick = () => command("swap", null);
at("reset").onclick = () => command("reset", Number(at("seed").value) >>> 0);
at("speed").onchange = () => command("speed", Number(at("speed").value));
at("model").onchange = () => command("model", at("model").value);
at("record").onclick = () => facts?.twin && command("record", !tick?.recording);
at("temperature").onchange = () => command("temperature", Number(at("temperature").value));
for (const id of ["show-game", "show-wrong", "show-entropy"]) at(id).onchange = draw;
at("dream").onpointermove = (event) => showCode(dream?.cellAt(event));
at("dream").onpointerleave = () => showCode(null);
addEventListener("blur", leave);
document.addEventListener("visibilitychange", () => { if (document.hidden) leave(); });
setInterval(() => input(held.action, true), HEARTBEAT);
for (const control of document.querySelectorAll("#controls input:not([type=number]), #controls select, #controls button"))
  control.addEventListener(control.matches("button") ? "click" : "change", (event) => { // the keys steer again
    if (event.detail > 0 || !control.matches("button")) at("dream").focus({ preventScroll: true });
  });
connect();

function connect() {
  socket = open();
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") hear(JSON.parse(data));
    else show(data instanceof ArrayBuffer ? readTick(data, facts) : data);
  };
  socket.onclose = ({ code, reason }) => {
    const refused = [1008, 1011, 1013].includes(code);
    say(refused ? reason : "the server is gone, trying again …");
    if (!refused) setTimeout(connect, RETRY);
  };
}

function hear(told) {
  if (!told.said) return begin(told);
  say(told.said);
  if (facts) at("model").value = facts.model; // also if another was asked for
}

function begin(told) {
  facts = told;
  document.body.classList.toggle("alone", !facts.twin);
  at("model").replaceChildren(...facts.models.map((name) => new Option(name, name, false, name === facts.model)));
  dream = new View(at("dream"), facts);
  game = new View(at("game"), facts);
  at("seed").value = facts.seed;
  at("speed").value = "1";
  const draws = at("temperature"), drawn = String(facts.temperature);
  if (![...draws.options].some((option) => option.value === drawn)) draws.add(new Option(drawn, drawn));
  draws.value = drawn;
  sentAt.clear();
  document.body.dataset.fps = facts.fps;
  if (document.hidden || !document.hasFocus()) leave(); else pause(false);
  at("dream").focus({ preventScroll: true });
}

function show(next) {
  tick = next;
  const sent = sentAt.get(tick.acknowledged);
  if (sent !== undefined) {
    const { duration } = performance.measure("key to picture", { start: sent, end: performance.now() });
    at("latency").textContent = `${duration.toFixed(0)} ms`;
    if (performance.getEntriesByName("key to picture").length > 1000) performance.clearMeasures();
  }
  for (const known of sentAt.keys()) if (known <= tick.acknowledged) sentAt.delete(known);
  draw();
  document.body.dataset.step = tick.step;
}

function draw() {
  at("twin").hidden = !at("show-game").checked || facts?.twin === false;
  if (!tick) return;
  const isWrong = (cell) => tick.codes[cell] !== tick.realCodes[cell];
  dream.draw(tick.dream);
  if (at("show-entropy").checked) dream.shade((cell) => tick.entropy[cell] / 255);
  if (at("show-wrong").checked) dream.outline(isWrong);
  if (!at("twin").hidden) game.draw(tick.game);
  at("record").setAttribute("aria-pressed", Boolean(tick.recording));
  at("points").textContent = facts.judged ? `${tick.points.toFixed(0)} points expected` : "";
  at("real-points").textContent = `${tick.realPoints} points${tick.over ? ", over" : ""}`;
  at("left").textContent = tick.leftAfter ? `after ${tick.leftAfter} steps` : "not yet";
  at("wrong").textContent = `${tick.codes.filter((_, cell) => isWrong(cell)).length} of ${tick.codes.length}`;
  at("lost").textContent = facts.judged ? `${(100 * tick.lost).toFixed(0)} %` : "–";
  at("action").textContent = facts.actions[tick.action];
  at("time").textContent = `${tick.milliseconds.toFixed(0)} ms`;
}

function input(action, isHeartbeat = false) {
  if (!facts || socket.readyState !== WebSocket.OPEN) return;
  number += 1;
  if (!isHeartbeat && !paused) sentAt.set(number, performance.now());
  socket.send(JSON.stringify({ input: number, action: facts.actions.includes(action) ? action : "NOOP" }));
}

function command(name, value) {
  if (facts && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ command: name, value }));
}

function pause(wanted) {
  showPaused(wanted);
  command("pause", wanted);
}

function step() {
  showPaused(true);
  command("step", null);
}

function showPaused(wanted) {
  paused = wanted;
  at("pause").setAttribute("aria-pressed", paused);
  say(paused ? "paused: press space to go on" : "steer with the arrow keys");
}

function leave() {
  held.releaseAll(); // also without a server: its coming back must not find a key held that has been let go
  if (facts && socket.readyState === WebSocket.OPEN) pause(true);
}

function newGame() {
  at("seed").value = Math.floor(Math.random() * 2 ** 31);
  at("reset").click();
}

function toggleGame() {
  at("show-game").checked = !at("show-game").checked;
  draw();
}

function chooseModel() {
  if (!facts?.twin) return;
  at("model").focus();
  at("model").showPicker?.();
}

function showCode(cell) {
  const known = tick && cell !== null && cell !== undefined;
  at("code").textContent = known ? `${tick.codes[cell]}${facts.twin ? `, real ${tick.realCodes[cell]}` : ""}` : "–";
}

function say(text) {
  at("status").textContent = text;
}
