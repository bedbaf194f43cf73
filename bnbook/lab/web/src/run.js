// One run as far as it has come, from what its trainer reports.
import { createLosses } from "./losses.js";
import { mean } from "./statistics.js";
import { happened } from "./story.js";

export const LETTERS = "AB";
const MOST_POINTS = 120; // of a loss curve

/** @typedef {Evaluation & { trainLoss: number }} Evaluated with the mean loss since the one before */
/** @typedef {{ look: Look, label: string, points: [number, number][], thin?: boolean, markers?: boolean, broken?: boolean }} Curve */

/** One of the run's nets. */
export class RunningNet {
  /**
   * @param {Net} net
   * @param {string} name
   * @param {string} label
   * @param {Look} look
   */
  constructor(net, name, label, look) {
    this.net = net;
    this.name = name;
    this.label = label;
    this.look = look;
    /** @type {Evaluated[]} */
    this.evaluations = [];
    /** @type {ReturnType<typeof createLosses> | null} */
    this.losses = null;
    this.lastLoss = Number.NaN;
    this.failedAt = 0;
    this.hash = "";
    /** @type {Mistake[]} */
    this.mistakes = [];
    /** The last milestone that was announced. */
    this.told = "";
    /** @type {number[]} */
    this.recent = []; // losses since the last evaluation
  }

  /** @returns {Probe | null} */
  get probe() {
    return this.evaluations.at(-1)?.probe ?? null;
  }

  /** @param {number[]} losses */
  takeLosses(losses) {
    for (const loss of losses) {
      this.losses?.push(loss);
      this.recent.push(loss);
      this.lastLoss = loss;
    }
  }

  /** @param {Evaluation} found */
  takeEvaluation(found) {
    this.evaluations.push({ ...found, trainLoss: mean(this.recent) });
    this.recent = [];
  }
}

export class Run {
  /**
   * @param {Setting} setting
   * @param {string[]} names of its nets
   * @param {Look[]} looks
   */
  constructor(setting, names, looks) {
    /** What it was started with, and the changes that have come about. */
    this.setting = { ...setting, changes: /** @type {Change[]} */ ([]) };
    this.step = 0;
    this.total = 0; // of steps; 0 until the trainer is ready
    this.perEpoch = 0;
    this.images = 0; // that validate
    this.speed = 0; // images per second
    this.over = false;
    this.nets = setting.nets.map((net, i) => new RunningNet(net, names[i], LETTERS[i], looks[i]));
  }

  get isReady() {
    return this.total > 0;
  }

  /** @param {{ perEpoch: number, total: number, images: number }} sizes */
  makeReady({ perEpoch, total, images }) {
    Object.assign(this, { perEpoch, total, images });
    for (const one of this.nets) one.losses = createLosses(total, MOST_POINTS, perEpoch);
  }

  /** @param {Progress} report */
  take(report) {
    this.step = report.step;
    this.speed = report.speed;
    for (const change of report.changes) this.noteChange(change);
    report.nets.forEach(({ alive, losses }, i) => {
      this.nets[i].takeLosses(losses);
      if (!alive) this.nets[i].failedAt ||= report.step;
    });
    for (const found of report.evaluations) this.nets[found.net].takeEvaluation(found);
  }

  /**
   * While a run is paused its rate may change more than once at the same step: the last counts.
   * @param {Change} change
   */
  noteChange({ step, lr }) {
    const { changes } = this.setting;
    if (changes.at(-1)?.step === step) changes.pop();
    changes.push({ step, lr });
  }

  /**
   * @param {string[]} hashes of the final weights
   * @param {Mistake[][]} mistakes
   */
  finish(hashes, mistakes) {
    this.nets.forEach((one, i) => {
      one.hash = hashes[i];
      one.mistakes = mistakes[i];
    });
    this.over = true;
  }

  /** @param {RunningNet} one */
  storyOf(one) {
    const recentLoss = one.losses ? one.losses.recent() : Number.NaN;
    const { evaluations, failedAt } = one;
    return happened({ evaluations, failedAt, recentLoss }, this.images, this.over);
  }

  /**
   * A curve for a chart, over epochs.
   * @param {RunningNet} one
   * @param {"accuracy" | "running" | "loss"} which
   * @returns {Curve}
   */
  curveOf(one, which) {
    const counted = which === "running" ? "correctRunning" : "correct";
    const steps =
      which === "loss"
        ? (one.losses?.points() ?? [])
        : one.evaluations.map((each) => [each.step, each[counted] / this.images]);
    return {
      look: one.look,
      label: one.label,
      broken: one.failedAt > 0,
      markers: which === "accuracy",
      points: steps.map(([step, value]) => [step / this.perEpoch, value]),
    };
  }
}
