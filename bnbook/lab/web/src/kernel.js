// Training in the notebook's kernel: messages over the widget's comm, and what JSON lacks.
import { plainest } from "./names.js";

/** @param {number | null} value JSON has no NaN */
const number = (value) => value ?? Number.NaN;

/** @param {(number | null)[]} values */
const numbers = (values) => values.map(number);

/**
 * @param {Probe} probe
 * @returns {Probe}
 */
function reviveProbe(probe) {
  return {
    ...probe,
    squareBefore: numbers(probe.squareBefore),
    squareNormed: numbers(probe.squareNormed),
    squareActivated: numbers(probe.squareActivated),
    gradientNorm: numbers(probe.gradientNorm),
    biasGradientNorm: numbers(probe.biasGradientNorm),
    imageShare: numbers(probe.imageShare),
    gamma: probe.gamma.map((values) => values && numbers(Array.from(values))),
    beta: probe.beta.map((values) => values && numbers(Array.from(values))),
  };
}

/**
 * A replay has the last probe of each net only: it stands for those before it, too.
 * @param {Progress} report
 * @returns {Progress}
 */
function reviveProgress(report) {
  /** @type {Map<number, Probe>} */
  const latest = new Map();
  for (const { net, probe } of report.evaluations) if (probe) latest.set(net, reviveProbe(probe));
  return {
    ...report,
    nets: report.nets.map(({ alive, losses }) => ({ alive, losses: numbers(losses) })),
    evaluations: report.evaluations.map((one) => ({
      ...one,
      loss: number(one.loss),
      probe: /** @type {Probe} */ (latest.get(one.net)),
    })),
  };
}

/**
 * `listen` hears what trains in the kernel, also what another view or Python has started: its
 * `ready` has the `setting`. Training goes on when this view is gone.
 * @implements {Trainer}
 */
export class KernelTrainer {
  /**
   * @param {Model} model
   * @param {(message: Message) => void} listen
   */
  constructor(model, listen) {
    this.model = model;
    this.listen = listen;
    this.hear = this.hear.bind(this);
    model.on("msg:custom", this.hear);
  }

  /** Ask what trains already, to hear all of it. */
  attach() {
    this.model.send({ type: "attach" });
  }

  /** @param {Message | { type: "images" }} message */
  hear(message) {
    if (message.type === "images") return;
    this.listen(message.type === "progress" ? reviveProgress(message) : message);
  }

  /** @param {Setting} setting */
  start(setting) {
    const nets = setting.nets.map(plainest); // `Run` refuses what would mean nothing
    this.model.send({ type: "start", setting: { ...setting, nets } });
  }

  /** @param {boolean} wanted */
  pause(wanted) {
    this.model.send({ type: "pause", on: wanted });
  }

  /** @param {number} lr */
  setRate(lr) {
    this.model.send({ type: "rate", lr });
  }

  stop() {
    this.model.send({ type: "stop" });
  }

  /** The view goes. */
  leave() {
    this.model.off("msg:custom", this.hear);
  }
}

/**
 * Images of the page's, which the kernel has beside it: for training in the browser.
 * @param {Model} model
 * @param {DataName} name
 * @returns {Promise<string>}
 */
export function askForImages(model, name) {
  return new Promise((resolve) => {
    /** @param {{ type: string, name?: string, text?: string }} message */
    function hear(message) {
      if (message.type !== "images" || message.name !== name) return;
      model.off("msg:custom", hear);
      resolve(message.text ?? "");
    }
    model.on("msg:custom", hear);
    model.send({ type: "images", name });
  });
}
