// Dreams in the browser: takes the messages that pacdream/play/tab.py takes, and answers with pictures.
import * as ort from "./ort.wasm.min.mjs";

ort.env.wasm.numThreads = 1; // more need headers that not every static server sends
ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
const load = (name) => ort.InferenceSession.create(new URL(`${name}.onnx`, import.meta.url).href, { executionProviders: ["wasm"] });
const integers = (values, dims) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);

const facts = await (await fetch(new URL("dream.json", import.meta.url))).json();
const [rows, columns] = facts.grid, cells = rows * columns;
const worldModel = await load("world_model"), decoder = await load("decoder");
const outcome = facts.judged ? await load("outcome") : null;

let codes, state, grids, taken, stepNumber, points, lost, entropy, random; // of the present dream
let temperature = facts.temperature, paused = true, singleSteps = 0, speed = 1, acknowledged = 0, held = "NOOP", tapped = null, wanted = null;

self.onmessage = ({ data }) => {
  const { input, action, command, value } = JSON.parse(data);
  if (command === undefined) {
    if (action !== "NOOP" && action !== held) tapped ??= action;
    [acknowledged, held] = [input, action];
  } else if (command === "pause") [paused, tapped] = [value, null];
  else if (command === "step") [paused, singleSteps] = [true, Math.min(8, singleSteps + 1)];
  else if (command === "speed") speed = value;
  else if (command === "reset") wanted = value;
  else if (command === "temperature") temperature = value;
};

await begin(facts.seed);
self.postMessage(JSON.stringify(facts));
await show(0, 0, 0);
await play(); // so that what goes wrong in it is told

async function play() {
  for (let due = performance.now(); ;) {
    const period = 1000 / (facts.fps * speed);
    due += period * Math.max(1, Math.ceil((performance.now() - due) / period));
    await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    if (wanted !== null) {
      const seed = wanted;
      wanted = null;
      await begin(seed);
      await show(0, 0, 0);
    }
    if (paused && !singleSteps) continue;
    singleSteps = Math.max(0, singleSteps - 1);
    const action = facts.actions.indexOf(tapped ?? held), started = performance.now();
    tapped = null;
    await step(action, true);
    await judge();
    await show(action, started, started - due);
  }
}

async function begin(seed) {
  random = generator(seed);
  const start = facts.contexts[seed % facts.contexts.length];
  state = facts.state.map(({ shape, type, value }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return type === "int64" ? integers(Array(count).fill(value), shape) : new ort.Tensor("float32", new Float32Array(count).fill(value), shape);
  });
  for (const [t, action] of start.actions.entries()) {
    codes = start.codes[t];
    await step(action, false);
  }
  codes = start.codes.at(-1);
  [grids, taken, stepNumber, points, lost] = [[...start.codes], [...start.actions], 0, 0, 0];
  entropy = new Uint8Array(cells);
}

async function step(action, isImagined) {
  const inputs = { codes: integers(codes, [1, rows, columns]), actions: integers([action], [1]) };
  facts.state.forEach(({ name }, i) => { inputs[name] = state[i]; });
  const outputs = await worldModel.run(inputs);
  state = facts.state.map(({ name }) => outputs[`next_${name}`]);
  if (!isImagined) return;
  codes = draw(outputs.logits.data);
  stepNumber += 1;
  const kept = facts.judge ? facts.judge.before + 2 + facts.judge.after : 1;
  grids = [...grids, codes].slice(-kept);
  taken = [...taken, action].slice(-kept);
}

function draw(logits) {
  const drawn = new Array(cells), size = facts.codebook;
  for (let cell = 0; cell < cells; cell++) {
    const at = cell * size;
    let best = 0;
    for (let k = 1; k < size; k++) if (logits[at + k] > logits[at + best]) best = k;
    let total = 0, weighted = 0, warm = 0;
    for (let k = 0; k < size; k++) {
      const below = logits[at + k] - logits[at + best], share = Math.exp(below);
      total += share;
      weighted += share * below;
      if (temperature) warm += Math.exp(below / temperature);
    }
    entropy[cell] = Math.round(255 * Math.min(1, Math.max(0, (Math.log(total) - weighted / total) / Math.log(size))));
    drawn[cell] = best;
    if (!temperature) continue;
    let left = random() * warm, k = -1;
    while (left > 0 && k < size - 1) { k += 1; left -= Math.exp((logits[at + k] - logits[at + best]) / temperature); }
    drawn[cell] = Math.max(0, k);
  }
  return drawn;
}

async function judge() {
  if (!outcome || stepNumber <= facts.judge.after) return;
  const count = facts.judge.before + 2 + facts.judge.after, around = grids.slice(-count);
  const judged = await outcome.run({
    codes: integers(around.flat(), [1, count, rows, columns]), actions: integers([taken.at(-1 - facts.judge.after)], [1]),
  });
  points += judged.points.data[0];
  lost = judged.lost.data[0];
}

async function show(action, started, late) {
  const frame = await decoder.run({ codes: integers(codes, [1, rows, columns]) });
  const shown = Uint16Array.from(codes);
  self.postMessage({
    step: stepNumber, acknowledged, leftAfter: 0, action, paused, over: false, points, realPoints: 0, lost, late,
    milliseconds: started ? performance.now() - started : 0, codes: shown, realCodes: shown, entropy,
    dream: frame.frame.data, game: null,
  });
}

function generator(seed) { // mulberry32
  let a = seed >>> 0;
  return () => {
    a = a + 0x6d2b79f5 | 0;
    let t = Math.imul(a ^ a >>> 15, 1 | a);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}
