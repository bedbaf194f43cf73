// A lab's settings as traits of its widget, which other widgets can be linked to.

/**
 * What is linked, in the lab's words.
 * @typedef {{ lr: number, batch: number, seed: number, epochs: number, norms: NormName[][],
 *   trainer: string, trainSize: number }} Linked
 */
/** @typedef {Setting & { trainer: string, trainSize: number }} Controlled */
/**
 * What a lab offers to its link: to read and write its controls, where a change of the rate
 * reaches what trains; and to start, pause or resume a training in this browser.
 * @typedef {{ read: () => Controlled, write: (changes: Partial<Controlled>) => void,
 *   toggle: (running: boolean) => void }} Linkable
 */

/** The traits' names, by the lab's. */
const TRAITS = /** @type {const} */ ({
  lr: "lr",
  batch: "batch_size",
  seed: "seed",
  epochs: "epochs",
  norms: "norms",
  trainer: "trainer",
  trainSize: "train_size",
});
const NAMES = /** @type {(keyof Linked)[]} */ (Object.keys(TRAITS));

/** @param {unknown} a @param {unknown} b */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** Keeps the traits of a widget and the controls of one of its views in line. */
export class TraitLink {
  /**
   * The view starts as the traits are.
   * @param {Model} model
   * @param {Linkable} lab
   */
  constructor(model, lab) {
    this.model = model;
    this.lab = lab;
    this.training = false; // in this view's browser
    this.pushing = false;
    this.pull = this.pull.bind(this);
    this.follow = this.follow.bind(this);
    lab.write(model.get("setting"));
    this.pull();
    for (const name of NAMES) model.on(`change:${TRAITS[name]}`, this.pull);
    model.on("change:running", this.follow);
  }

  /** @returns {Linked} */
  get traits() {
    const entries = NAMES.map((name) => [name, this.model.get(TRAITS[name])]);
    return /** @type {Linked} */ (Object.fromEntries(entries));
  }

  /** What the controls say; a net that is switched off keeps the norms that the trait has. */
  get controls() {
    const { nets, every, changes, ...rest } = this.lab.read();
    const norms = this.traits.norms.map((kept, i) => nets[i]?.norms ?? kept);
    return /** @type {Linked} */ ({ ...rest, norms });
  }

  /** Bring the controls in line with the traits. What they say already is not written again. */
  pull() {
    if (this.pushing) return;
    const [traits, controls] = [this.traits, this.controls];
    const changed = NAMES.filter((name) => !same(traits[name], controls[name]));
    if (!changed.length) return;
    const entries = changed.map((name) => [name, traits[name]]);
    const { norms, ...rest } = /** @type {Partial<Linked>} */ (Object.fromEntries(entries));
    const nets = norms && this.lab.read().nets.map((net, i) => ({ ...net, norms: norms[i] }));
    this.lab.write(nets ? { ...rest, nets } : rest);
  }

  /** Bring the traits in line with the controls, after each change by the reader. */
  push() {
    const [traits, controls] = [this.traits, this.controls];
    const { nets, every, momentum, decay, data } = this.lab.read();
    const setting = { nets, every, momentum, decay, data };
    this.pushing = true; // each trait is told of at once, while others still lag behind
    for (const name of NAMES) {
      if (!same(traits[name], controls[name])) this.model.set(TRAITS[name], controls[name]);
    }
    if (!same(this.model.get("setting"), setting)) this.model.set("setting", setting);
    this.pushing = false;
    this.model.save_changes();
  }

  /**
   * Say whether this browser trains; of the kernel the kernel says it.
   * @param {boolean} running
   */
  setRunning(running) {
    if (running === this.training) return;
    this.training = running;
    if (this.model.get("running") === running) return;
    this.model.set("running", running);
    this.model.save_changes();
  }

  /** `running` was set elsewhere: in this browser that is a wish. */
  follow() {
    const running = this.model.get("running");
    const here = this.training || this.lab.read().trainer === "browser";
    if (here && running !== this.training) this.lab.toggle(running);
  }

  /**
   * Let Python keep the history of what trains in this browser, too; probes are not part of it.
   * @param {Message} message
   * @param {Setting} setting
   */
  relay(message, setting) {
    let told = /** @type {object} */ (message);
    if (message.type === "ready") told = { ...message, setting };
    else if (message.type === "progress") {
      told = {
        ...message,
        nets: message.nets.map(({ alive, losses }) => ({ alive, losses: losses.map(finite) })),
        evaluations: message.evaluations.map(({ probe, ...one }) => ({
          ...one,
          loss: finite(one.loss),
        })),
      };
    } else if (message.type === "done") told = { type: "done" };
    else if (message.type !== "error") return;
    this.model.send({ type: "heard", message: told });
  }

  /** The view goes; a training in its browser ends with it. */
  leave() {
    for (const name of NAMES) this.model.off(`change:${TRAITS[name]}`, this.pull);
    this.model.off("change:running", this.follow);
    if (this.training) this.setRunning(false);
  }
}

/** @param {number} value */
const finite = (value) => (Number.isFinite(value) ? value : null);
