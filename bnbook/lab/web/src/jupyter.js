// The lab in Jupyter: a second trainer, traits, and what another view or Python has started.
import { KernelTrainer } from "./kernel.js";
import { TraitLink } from "./traits.js";

const AT_WORK = ["loading", "training"];

export class InJupyter {
  /**
   * @param {import("./lab.js").Lab} lab
   * @param {Model} model
   */
  constructor(lab, model) {
    this.lab = lab;
    this.kernel = new KernelTrainer(model, (message) => this.hear(message));
    this.traits = new TraitLink(model, {
      read: () => ({ ...lab.controls.read(), ...lab.controls.readPlace() }),
      write: (changes) => this.write(changes),
      toggle: (running) => this.toggle(running),
    });
    this.kernel.attach();
  }

  /** The trainer that the reader has chosen. */
  get trainer() {
    return this.lab.controls.readPlace().trainer === "browser" ? this.lab.worker : this.kernel;
  }

  /** @param {Partial<Setting & Place>} changes */
  write(changes) {
    this.lab.controls.write(changes);
    this.lab.controls.writePlace(changes);
    this.lab.settingChanged(changes.lr === undefined ? "other" : "lr");
  }

  /** @param {boolean} running */
  toggle(running) {
    if (!running) this.lab.pause();
    else if (this.lab.state === "paused") this.lab.resume();
    else this.lab.train();
  }

  /**
   * What the kernel says. What somebody else has started there is shown here as well.
   * @param {Message} message
   */
  hear(message) {
    const { lab } = this;
    if (message.type === "ready" && message.setting && lab.state !== "loading") {
      lab.adopt(message.setting, this.kernel);
      this.traits.pull(); // the rate may have changed since that run began
    }
    if (lab.trainer !== this.kernel) return;
    if (message.type === "paused") lab.enter(message.on ? "paused" : "training");
    else if (message.type === "stopped") lab.clear();
    else lab.hear(message);
  }

  /** Say whether this browser trains. */
  tell() {
    const here = this.lab.trainer === this.lab.worker;
    this.traits.setRunning(here && AT_WORK.includes(this.lab.state));
  }

  leave() {
    this.kernel.leave();
    this.traits.leave();
  }
}
