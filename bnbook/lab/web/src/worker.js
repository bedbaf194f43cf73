// Trains one or two nets in lock step, on the same batches, apart from the page.
import { createEngine } from "./engine/engine.js";

const SLICE = 25; // ms of training between two looks at the messages
const REPORT_AFTER = 100; // ms between two reports without an evaluation

let run = null;
let queued = false;
let paused = false;
const next = new MessageChannel(); // a timer's nested delays would cost 4 ms each
next.port1.onmessage = work;

self.onmessage = ({ data }) => {
  if (data.type === "start") begin(data).catch((error) => self.postMessage({ type: "error", text: String(error) }));
  if (data.type === "rate") setRate(data.lr);
  if (data.type === "pause") paused = true;
  if (data.type === "resume") {
    paused = false;
    queue();
  }
};

function queue() {
  if (run && !queued) next.port2.postMessage(0);
  queued = Boolean(run);
}

// Undo "lab/digits.py": labels first, then two pixels a byte, one above the other.
async function unpack(text) {
  const zipped = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  // Not a blob's stream: WebKit cannot read one in the worker of a page that was opened from disk.
  const stream = new Response(zipped).body.pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = bytes.length / 393;
  const pixels = new Uint8Array(784 * count);
  for (let i = 0, at = count; at < bytes.length; at++) {
    pixels[i] = bytes[at] >> 4;
    pixels[i + 28] = bytes[at] & 15;
    i += (i + 1) % 28 ? 1 : 29;
  }
  return { pixels, labels: bytes.subarray(0, count) };
}

async function begin({ wasm, digits, trainCount, setting }) {
  const engine = await createEngine(Uint8Array.from(atob(wasm), (letter) => letter.charCodeAt(0)));
  const { pixels, labels } = await unpack(digits);
  engine.setData(pixels, labels, trainCount);
  const nets = setting.nets.map((net) => engine.createNet({
    norms: net.norms,
    learned: {
      hidden: net.trained === "all",
      head: net.trained !== "norm",
      gamma: net.trained !== "head" && ["both", "gamma"].includes(net.affine),
      beta: net.trained !== "head" && ["both", "beta"].includes(net.affine),
    },
    convBias: net.convBias,
    linearBias: net.linearBias,
    activation: net.activation,
    batchSize: setting.batch,
  }, setting.seed));
  const perEpoch = nets[0].stepsPerEpoch;
  run = {
    nets: nets.map((net) => ({ net, alive: true, losses: [], seconds: 0 })), // of training alone
    lr: setting.lr,
    scheduled: [...setting.changes],
    batch: setting.batch,
    step: 0,
    total: setting.epochs * perEpoch,
    every: setting.every === "epoch" ? perEpoch : setting.every,
    images: 0,
    changes: [], // of the learning rate, since the last report
    evaluations: [],
    reported: 0,
  };
  self.postMessage({ type: "ready", perEpoch, total: run.total, images: labels.length - trainCount });
  evaluate();
  report();
  queue();
}

// The reader's hand overrules what a link had scheduled.
function setRate(lr) {
  run.scheduled = [];
  changeRate(lr, false);
  if (paused) report();
}

function changeRate(lr, linked) {
  if (lr === run.lr) return;
  run.lr = lr;
  run.changes.push({ step: run.step, lr, linked });
}

function work() {
  queued = false;
  const until = performance.now() + SLICE;
  while (!paused && !finished() && !run.evaluations.length && performance.now() < until) advance();
  if (paused || finished() || run.evaluations.length || performance.now() - run.reported > REPORT_AFTER) report();
  if (finished()) {
    self.postMessage({ type: "done", hashes: run.nets.map((one) => one.net.hash()) });
  } else if (!paused) {
    queue();
  }
}

function finished() {
  return run.step === run.total || run.nets.every((one) => !one.alive);
}

function advance() {
  while (run.scheduled.length && run.scheduled[0].step <= run.step) changeRate(run.scheduled.shift().lr, true);
  run.step += 1;
  for (const one of run.nets.filter((each) => each.alive)) {
    const start = performance.now();
    const loss = one.net.step(run.lr);
    one.seconds += (performance.now() - start) / 1000;
    one.losses.push(loss);
    if (!Number.isFinite(loss)) one.alive = false;
    run.images += run.batch;
  }
  if (run.step % run.every === 0 || finished()) evaluate();
}

function evaluate() {
  run.nets.forEach((one, index) => {
    if (!one.alive) return;
    const found = one.net.evaluate();
    run.evaluations.push({ net: index, step: run.step, seconds: one.seconds, ...found, probe: one.net.probe() });
    if (!Number.isFinite(found.loss)) one.alive = false;
  });
}

function report() {
  const seconds = run.nets.reduce((sum, one) => sum + one.seconds, 0);
  self.postMessage({
    type: "progress",
    step: run.step,
    speed: seconds ? run.images / seconds : 0,
    changes: run.changes.splice(0),
    evaluations: run.evaluations.splice(0),
    nets: run.nets.map((one) => ({ alive: one.alive, losses: one.losses.splice(0) })),
  });
  run.reported = performance.now();
}
