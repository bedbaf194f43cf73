// The lab that trains two nets: its settings, its run, and the buttons.
import { loadBands, loadImages } from "./assets.js";
import { RecordedBands } from "./bands.js";
import { Bar } from "./bar.js";
import { Controls } from "./controls.js";
import { h } from "./dom.js";
import { Experiment } from "./experiment.js";
import { InJupyter } from "./jupyter.js";
import { Kept } from "./kept.js";
import { askForImages } from "./kernel.js";
import { whyStuck } from "./names.js";
import { createLinks } from "./permalink.js";
import { LETTERS, Run } from "./run.js";
import { canTrain, WorkerTrainer } from "./trainer.js";
import { View } from "./view.js";

const REST = 250; // ms: a dragged slider changes the rate of a run once, where it rests
const SMALL_BATCH = 32;
const UNABLE =
  "This browser cannot train here: it lacks WebAssembly with SIMD. The recorded runs below do " +
  "without.";

/** @typedef {"idle" | "loading" | "training" | "paused" | "hidden" | "done" | "failed" | "unable"} State */

/** @type {Mount<LabSettings>} */
export function mountLab(root, data, host) {
  const lab = new Lab(root, data, host);
  return () => lab.unmount();
}

export class Lab {
  /**
   * @param {HTMLElement} root
   * @param {LabSettings} data
   * @param {Host} host
   */
  constructor(root, data, host) {
    this.root = root;
    this.data = data;
    this.host = host;
    /** @type {State} */
    this.state = "idle";
    /** @type {Run | null} */
    this.run = null;
    /** @type {Change[]} */
    this.scheduled = []; // changes of the learning rate that a link asks for
    this.resting = 0;
    this.links = createLinks(data);
    this.bands = new RecordedBands(data.bands ?? null, this.links);
    this.controls = new Controls(data, this.links, (what) => this.settingChanged(what));
    this.kept = new Kept(data.kept_colors, () => this.keptChanged());
    this.worker = this.createTrainer((message) => {
      if (this.run) this.jupyter?.traits.relay(message, this.run.setting);
      this.hear(message);
    });
    /** @type {Trainer} */
    this.trainer = this.worker;
    this.view = new View(this);
    this.experiment = this.createExperiment();
    this.bar = new Bar(this);
    this.build();
    this.jupyter = host.model ? new InJupyter(this, host.model) : null;
    this.followLink = this.followLink.bind(this);
    this.begin();
  }

  // Beginning and end

  build() {
    const intro = h(
      "div",
      { class: "intro" },
      h("p", { class: "title" }, this.data.title),
      h("p", {}, this.data.ask),
    );
    this.root.append(intro, this.controls.root, ...this.view.parts.nodes);
    if (this.experiment) this.view.parts.announcer.before(this.experiment.root);
  }

  /** @param {(message: Message) => void} listen */
  createTrainer(listen) {
    const { host, data } = this;
    /** @param {DataName} name */
    const images = (name) =>
      host.model ? askForImages(host.model, name) : loadImages(host.site ?? "", data.data[name]);
    return new WorkerTrainer(host.engine, images, data.train_count, listen);
  }

  /** Where the page itself trains, the reader can repeat the chapter's experiment. */
  createExperiment() {
    const { data, host, links } = this;
    if (!data.trial || !host.site || !canTrain()) return null;
    const setting = () => this.controls.read();
    const trainer = this.createTrainer.bind(this);
    return new Experiment({ data, links, setting, trainer }, data.trial);
  }

  begin() {
    if (this.jupyter) {
      this.enter("idle");
    } else if (canTrain()) {
      this.enter("idle");
      const linked = this.open(location.hash) || this.experiment?.open(location.hash);
      if (!linked) this.beginSmallOnWeakDevices();
      addEventListener("hashchange", this.followLink);
    } else {
      this.enter("unable");
      /** @type {HTMLFieldSetElement} */ (this.controls.root).disabled = true;
      this.controls.root.before(h("p", { class: "unable" }, UNABLE));
    }
    this.view.draw();
    if (this.host.site) this.loadBands(this.host.site);
  }

  /** @param {string} site */
  async loadBands(site) {
    // Without them nothing is shaded, and everything else goes on.
    const recorded = await loadBands(site).catch((error) => {
      this.view.say(`Nothing is shaded: ${error.message}.`);
      return null;
    });
    this.bands = new RecordedBands(recorded, this.links);
    this.bar.refresh();
    this.view.draw();
  }

  unmount() {
    clearTimeout(this.resting);
    this.worker.stop();
    this.jupyter?.leave();
    this.experiment?.unmount();
    this.view.unmount();
    removeEventListener("hashchange", this.followLink);
  }

  // Transitions

  get isRunning() {
    return ["loading", "training", "paused", "hidden"].includes(this.state);
  }

  /** @param {State} state */
  enter(state) {
    this.state = state;
    this.root.dataset.state = state;
    this.bar.refresh();
    this.jupyter?.tell();
  }

  train() {
    const setting = this.controls.read();
    this.trainer.stop();
    this.take(setting, this.jupyter?.trainer ?? this.worker);
    this.trainer.start({ ...setting, changes: this.scheduled });
    this.bar.refresh();
    this.view.announce("Training starts.");
  }

  /**
   * Show a run that has been started elsewhere.
   * @param {Setting} setting
   * @param {Trainer} trainer
   */
  adopt(setting, trainer) {
    this.controls.write(setting);
    this.take(setting, trainer);
  }

  /**
   * Take a run in the place of what is on show.
   * @param {Setting} setting
   * @param {Trainer} trainer
   */
  take(setting, trainer) {
    const names = setting.nets.map((net) => this.controls.name(net));
    this.run = new Run(setting, names, this.data.looks);
    this.trainer = trainer;
    this.enter("loading");
    this.view.draw();
  }

  pressTrain() {
    if (this.state === "training") this.pause();
    else if (this.state === "paused") this.resume();
    else this.train();
  }

  pause() {
    this.trainer.pause(true);
    this.enter("paused");
    this.view.announce("Paused.");
  }

  resume() {
    this.trainer.pause(false);
    this.enter("training");
    this.view.announce("Training goes on.");
  }

  restart() {
    this.reset();
    this.train();
  }

  reset() {
    this.trainer.stop();
    this.clear();
  }

  clear() {
    clearTimeout(this.resting);
    this.run = null;
    this.view.parts.progress.value = 0;
    this.view.say("");
    this.enter("idle");
    this.view.draw();
    this.view.announce("Reset.");
  }

  /**
   * What the trainer says.
   * @param {Message} message
   */
  hear(message) {
    if (!this.run) return;
    if (message.type === "ready") this.makeReady(this.run, message);
    else if (message.type === "progress") this.advance(this.run, message);
    else if (message.type === "done") this.finish(this.run, message.hashes, message.mistakes);
    else if (message.type === "error") this.fail(message.text);
    else if (message.type === "hidden" || message.type === "shown") {
      const going = this.run.isReady ? "training" : "loading";
      this.enter(message.type === "hidden" ? "hidden" : going);
      this.view.draw();
    }
  }

  /**
   * @param {Run} run
   * @param {{ perEpoch: number, total: number, images: number }} sizes
   */
  makeReady(run, sizes) {
    run.makeReady(sizes);
    this.scheduled = []; // the run has them now; one that fails before is tried again with them
    if (this.state === "loading") this.enter("training");
    const { lr } = this.controls.read();
    if (lr !== run.setting.lr) this.trainer.setRate(lr);
  }

  /**
   * @param {Run} run
   * @param {Progress} report
   */
  advance(run, report) {
    run.take(report);
    for (const { linked, lr, step } of report.changes) {
      if (linked) this.controls.write({ lr }); // else the reader's hand is on it
      this.view.announce(`The learning rate is ${lr} from step ${step} on.`);
    }
    if (report.changes.length) this.bar.refresh();
    // Where the reader wants no motion, only evaluations are worth a new picture.
    if (report.evaluations.length || !this.view.calm.matches) this.view.drawSoon();
  }

  /**
   * @param {Run} run
   * @param {string[]} hashes
   * @param {Mistake[][]} mistakes
   */
  finish(run, hashes, mistakes) {
    run.finish(hashes, mistakes);
    this.enter("done");
    this.view.draw();
    const told = run.nets.map((one) => `${one.label}, ${one.name}: ${run.storyOf(one).text}.`);
    this.view.announce(`Training is over. ${told.join(" ")}`);
  }

  /** @param {string} why */
  fail(why) {
    this.enter("failed");
    const text = `The lab stopped: ${why}. The recorded runs below need no training.`;
    this.view.say(text);
    this.view.announce(text);
  }

  // Settings

  /** What speaks against training with these settings, in words. */
  obstacle() {
    const reasons = this.controls.read().nets.map(whyStuck);
    const stuck = reasons.findIndex(Boolean);
    return stuck < 0 ? "" : `Net ${LETTERS[stuck]} would learn nothing: ${reasons[stuck]}.`;
  }

  /** @param {"lr" | "other"} what */
  settingChanged(what) {
    if (what === "lr" && (this.state === "training" || this.state === "paused")) {
      clearTimeout(this.resting);
      this.resting = window.setTimeout(() => {
        this.jupyter?.traits.push();
        this.trainer.setRate(this.controls.read().lr);
      }, REST);
    } else {
      this.jupyter?.traits.push();
    }
    this.view.draw();
    this.bar.refresh();
    const obstacle = this.obstacle();
    if (obstacle) this.view.announce(obstacle);
  }

  /** The setting whose recorded runs are shown: the run's while it goes on, else the controls'. */
  shownSetting() {
    return this.run && this.isRunning ? this.run.setting : this.controls.read();
  }

  goNearest() {
    const { nearest } = this.bands.about(this.shownSetting());
    if (!nearest) return;
    this.controls.write({ lr: nearest.lr, batch: nearest.batch });
    this.settingChanged("other");
  }

  // Kept runs

  keep() {
    if (!this.run) return;
    // In Jupyter, the page's address is the notebook's.
    this.kept.add(this.run, this.host.model ? null : this.links.write(this.run.setting));
    this.view.draw();
    this.bar.refresh();
    this.view.announce(`Kept as run ${this.kept.last}.`);
  }

  keptChanged() {
    this.view.draw();
    this.bar.refresh();
    this.bar.keep.focus({ preventScroll: true }); // the button that was pressed is gone
  }

  // Links

  /**
   * Take the settings of an address, if it is for this lab.
   * @param {string} hash
   */
  open(hash) {
    const linked = this.links.read(hash);
    if (!linked) return false;
    if ("error" in linked) {
      const part = linked.error;
      this.view.say(`The link to this lab is damaged (${part}); these are the usual settings.`);
    } else {
      this.controls.write(linked);
      this.scheduled = linked.changes;
      this.view.say("Settings loaded from the link.");
    }
    this.bar.refresh();
    this.view.draw();
    this.root.scrollIntoView();
    return true;
  }

  forget() {
    this.scheduled = [];
    this.bar.refresh();
  }

  followLink() {
    const { hash } = location;
    this.experiment?.follow(hash);
    if (hash === this.bar.link.hash || !this.links.read(hash)) return;
    if (this.isRunning) {
      this.view.say("A run is going on. Reset it, then follow the link once more.");
      return;
    }
    this.reset();
    this.open(hash);
  }

  beginSmallOnWeakDevices() {
    const memory = /** @type {{ deviceMemory?: number }} */ (navigator).deviceMemory ?? 8;
    const slow = navigator.hardwareConcurrency <= 2 && matchMedia("(pointer: coarse)").matches;
    if ((memory > 2 && !slow) || this.controls.read().batch <= SMALL_BATCH) return;
    this.controls.write({ batch: SMALL_BATCH });
    this.view.say(`The batch size starts at ${SMALL_BATCH}, for a small device.`);
    this.bar.refresh();
  }
}
