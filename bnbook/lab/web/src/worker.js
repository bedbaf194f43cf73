// Trains one or two nets in lock step, on the same batches, apart from the page.
import { createEngine } from "../../engine/engine.js";
import { learns } from "./names.js";
import { isEvaluated } from "./schedule.js";
import { bytesOf, unpack } from "./unpack.js";

const SLICE = 25; // ms of training between two looks at the messages
const REPORT_AFTER = 100; // ms between two reports without an evaluation
const MOST_MISTAKES = 20; // that are shown of each net

/** @typedef {ReturnType<Awaited<ReturnType<typeof createEngine>>["createNet"]>} EngineNet */
/** @typedef {{ net: EngineNet, alive: boolean, losses: number[], seconds: number }} Training seconds of training alone */
/** @typedef {{ wasm: string, images: string, trainCount: number, setting: Setting }} Start */

/** The page that made this worker. */
const page = /** @type {{ postMessage(message: Message): void }} */ (/** @type {unknown} */ (self));

/** @type {LockStep | null} */
let run = null;
let queued = false;
let paused = false;
const next = new MessageChannel(); // a timer's nested delays would cost 4 ms each
next.port1.onmessage = work;

self.onmessage = ({ data }) => {
  if (data.type === "start") {
    begin(data).catch((error) => page.postMessage({ type: "error", text: String(error) }));
  }
  if (data.type === "rate") run?.setRate(data.lr);
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

/** @param {Start} start */
async function begin({ wasm, images, trainCount, setting }) {
  const engine = await createEngine(bytesOf(wasm));
  const { pixels, labels } = await unpack(images);
  engine.setData(pixels, labels, trainCount);
  const { batch: batchSize, momentum, decay, seed } = setting;
  const nets = setting.nets.map((net) =>
    engine.createNet({ ...net, learned: learnedIn(net), batchSize, momentum, decay }, seed),
  );
  run = new LockStep(nets, setting, (index) => engine.image(index));
  const { perEpoch, total } = run;
  page.postMessage({ type: "ready", perEpoch, total, images: labels.length - trainCount });
  run.evaluate();
  run.report();
  queue();
}

/** @param {Net} net */
function learnedIn(net) {
  return {
    hidden: net.trained === "all",
    head: net.trained !== "norm",
    gamma: learns(net, "gamma"),
    beta: learns(net, "beta"),
  };
}

function work() {
  queued = false;
  if (!run) return;
  const until = performance.now() + SLICE;
  while (!paused && !run.isOver && !run.evaluations.length && performance.now() < until) {
    run.advance();
  }
  const due = performance.now() - run.reported > REPORT_AFTER;
  if (paused || run.isOver || run.evaluations.length || due) run.report();
  if (run.isOver)
    page.postMessage({ type: "done", hashes: run.hashes(), mistakes: run.mistakes() });
  else if (!paused) queue();
}

/** Nets that take the same steps, and what there is to report of them. */
class LockStep {
  /**
   * @param {EngineNet[]} nets
   * @param {Setting} setting
   * @param {(index: number) => Uint8Array} image the pixels of a validation image
   */
  constructor(nets, { lr, changes, batch, epochs, every }, image) {
    this.image = image;
    /** @type {Training[]} */
    this.nets = nets.map((net) => ({ net, alive: true, losses: [], seconds: 0 }));
    this.lr = lr;
    this.scheduled = changes.map((one) => ({ ...one }));
    this.batch = batch;
    this.step = 0;
    this.perEpoch = nets[0].stepsPerEpoch;
    this.total = epochs * this.perEpoch;
    this.every = every;
    this.images = 0; // that were trained on, by all nets
    /** @type {Change[]} */
    this.changes = []; // of the learning rate, since the last report
    /** @type {Evaluation[]} */
    this.evaluations = [];
    this.reported = 0;
  }

  get isOver() {
    return this.step === this.total || this.nets.every((one) => !one.alive);
  }

  hashes() {
    return this.nets.map((one) => one.net.hash());
  }

  mistakes() {
    return this.nets.map(({ net }) =>
      net
        .mistakes(MOST_MISTAKES)
        .map(({ index, ...one }) => ({ ...one, pixels: this.image(index) })),
    );
  }

  /**
   * The reader's hand overrules what a link had scheduled.
   * @param {number} lr
   */
  setRate(lr) {
    this.scheduled = [];
    this.changeRate(lr, false);
    if (paused) this.report();
  }

  /**
   * @param {number} lr
   * @param {boolean} linked
   */
  changeRate(lr, linked) {
    if (lr === this.lr) return;
    this.lr = lr;
    this.changes.push({ step: this.step, lr, linked });
  }

  advance() {
    while (this.scheduled.length && this.scheduled[0].step <= this.step) {
      const { lr } = /** @type {Change} */ (this.scheduled.shift());
      this.changeRate(lr, true);
    }
    this.step += 1;
    for (const one of this.nets.filter((each) => each.alive)) {
      const start = performance.now();
      const loss = one.net.step(this.lr);
      one.seconds += (performance.now() - start) / 1000;
      one.losses.push(loss);
      if (!Number.isFinite(loss)) one.alive = false;
      this.images += this.batch;
    }
    if (isEvaluated(this.step, this) || this.isOver) this.evaluate();
  }

  evaluate() {
    this.nets.forEach((one, net) => {
      if (!one.alive) return;
      const found = one.net.evaluate();
      const { step } = this;
      this.evaluations.push({ net, step, seconds: one.seconds, ...found, probe: one.net.probe() });
      if (!Number.isFinite(found.loss)) one.alive = false;
    });
  }

  report() {
    const seconds = this.nets.reduce((sum, one) => sum + one.seconds, 0);
    page.postMessage({
      type: "progress",
      step: this.step,
      speed: seconds ? this.images / seconds : 0,
      changes: this.changes.splice(0),
      evaluations: this.evaluations.splice(0),
      nets: this.nets.map((one) => ({ alive: one.alive, losses: one.losses.splice(0) })),
    });
    this.reported = performance.now();
  }
}
