// "Run the experiment here": the chapter's experiment on the reader's own machine, in small.
import { able, saveAs } from "./dom.js";
import {
  build,
  costInWords,
  drawResults,
  drawVerdict,
  inTime,
  scaleInWords,
  showChoices,
} from "./experiment_view.js";
import { createPlans, FEWEST, jobsOf, MOST } from "./plan.js";
import { createPool, workers } from "./pool.js";
import { cellsOf, compare, contrastsOf, csv, verdict } from "./verdict.js";

const PASSING = 1000; // ms of training before the time left is worth saying

/** @typedef {import("./plan.js").Plan} Plan */
/** @typedef {import("./plan.js").Choice} Choice */
/** @typedef {import("./verdict.js").Cell} Cell */
/** @typedef {"idle" | "running" | "paused" | "hidden" | "done" | "canceled" | "failed"} State */
/**
 * A plan that is or was run: `ended` in the order of its jobs; `spent` ms of running until `since`.
 * @typedef {{ plan: Plan, ended: (Ended | undefined)[], done: number, spent: number, since: number }} Course
 */
/**
 * What the lab lends.
 * @typedef {object} Lent
 * @property {LabSettings} data
 * @property {import("./permalink.js").Links} links
 * @property {() => Setting} setting as the lab's controls say
 * @property {(listen: (message: Message) => void) => Trainer} trainer
 */

/** @type {Record<State, string>} */
const ACTION = {
  idle: "Run it here",
  running: "Pause",
  paused: "Resume",
  hidden: "Pause",
  done: "Run again",
  canceled: "Run again",
  failed: "Try again",
};

/** The panel of one lab. */
export class Experiment {
  /**
   * @param {Lent} lent
   * @param {Trial} trial
   */
  constructor(lent, trial) {
    this.data = lent.data;
    this.trial = trial;
    this.setting = lent.setting;
    this.plans = createPlans(lent.data, trial, lent.links);
    /** @type {State} */
    this.state = "idle";
    /** @type {Course | null} */
    this.course = null;
    /** @type {Choice | null} */
    this.linked = null;
    this.chosen = "";
    this.frame = 0;
    this.seen = ""; // what the results on show were drawn from
    this.pool = createPool(workers(), lent.trainer, (message) => this.hear(message));
    this.parts = build(trial);
    this.root = this.parts.root;
    this.listen();
    this.refresh();
  }

  listen() {
    const { primary, cancel, seeds, download, plans, root } = this.parts;
    primary.addEventListener("click", () => this.press());
    cancel.addEventListener("click", () => this.cancel());
    seeds.addEventListener("change", () => this.refresh());
    plans.addEventListener("change", (event) => {
      this.chosen = /** @type {HTMLInputElement} */ (event.target).value;
      this.refresh();
    });
    download.addEventListener("click", () => this.save());
    root.addEventListener("toggle", () => this.drawSoon());
    this.resized = new ResizeObserver(() => this.drawSoon());
    this.resized.observe(this.parts.chart);
  }

  unmount() {
    this.pool.stop();
    this.resized?.disconnect();
    cancelAnimationFrame(this.frame);
  }

  // What can be run

  /** How many seeds the reader wants. */
  count() {
    const wanted = Math.round(Number(this.parts.seeds.value)) || this.trial.seeds;
    return Math.min(Math.max(wanted, FEWEST), MOST);
  }

  /** @returns {Choice[]} */
  choices() {
    const found = this.plans.choices(this.setting(), this.count());
    if (!this.linked) return found;
    const seeds = this.plans.seedsFrom(this.linked.plan.seeds[0], this.count());
    return [...found, { ...this.linked, plan: { ...this.linked.plan, seeds } }];
  }

  /** The choice of the reader, else the chapter's. */
  choice() {
    const found = this.choices();
    return found.find((one) => one.id === this.chosen) ?? found[0];
  }

  /** Bring what is said in line with the lab's settings; the lab calls it when they change. */
  refresh() {
    const { seeds, cost, summary, link } = this.parts;
    const choice = this.choice();
    seeds.value = String(this.count());
    showChoices(this.parts, this.choices(), choice.id);
    const { nets, seeds: used } = choice.plan;
    const jobs = jobsOf(choice.plan);
    const rates = nets[0].lrs.length > 1 ? ` × ${nets[0].lrs.length} learning rates` : "";
    const size = `${nets.length} nets × ${used.length} seeds${rates}`;
    summary.textContent = `Run the experiment here: ${size}`;
    cost.textContent = costInWords(choice.plan, jobs.length, Math.min(workers(), jobs.length));
    link.href = this.plans.write(this.course?.plan ?? choice.plan);
    this.refreshButtons();
  }

  refreshButtons() {
    const { primary, cancel, download } = this.parts;
    primary.textContent = ACTION[this.state];
    able(primary, this.state !== "hidden");
    able(cancel, this.isRunning);
    able(download, Boolean(this.course?.ended.some(Boolean)));
  }

  // Transitions

  get isRunning() {
    return ["running", "paused", "hidden"].includes(this.state);
  }

  /** @param {State} state */
  enter(state) {
    this.tick();
    this.state = state;
    this.root.dataset.state = state;
    this.refresh();
    this.drawSoon();
  }

  press() {
    if (this.state === "hidden") return;
    if (this.state === "running") this.pause(true);
    else if (this.state === "paused") this.pause(false);
    else this.run();
  }

  run() {
    const { plan } = this.choice();
    const jobs = jobsOf(plan);
    // After a failure only what is missing is run again.
    const again = this.state === "failed" && this.course;
    const same = again && this.plans.write(again.plan) === this.plans.write(plan);
    const ended = same ? again.ended : new Array(jobs.length).fill(undefined);
    const ready = [...ended.keys()].filter((i) => ended[i]);
    const spent = same ? again.spent : 0;
    this.course = { plan, ended, done: 0, spent, since: performance.now() };
    this.enter("running");
    this.pool.run(
      jobs.map((job) => job.setting),
      ready,
    );
    this.announce(`${jobs.length} runs start.`);
  }

  /** @param {boolean} wanted */
  pause(wanted) {
    this.pool.pause(wanted);
    this.enter(wanted ? "paused" : "running");
    this.announce(wanted ? "Paused." : "The runs go on.");
  }

  cancel() {
    if (!this.isRunning) return;
    this.pool.stop();
    this.enter("canceled");
    const { course } = this;
    const done = course?.ended.filter(Boolean).length ?? 0;
    this.say(`Canceled after ${done} of ${course?.ended.length} runs.`);
    this.announce(`Canceled after ${done} runs.`);
    this.parts.primary.focus({ preventScroll: true });
  }

  /** @param {PoolMessage} message */
  hear(message) {
    const { course } = this;
    if (!course) return;
    if (message.type === "progress") course.done = message.done;
    else if (message.type === "result") course.ended[message.index] = message.ended;
    else if (message.type === "done") this.finish(course);
    else if (message.type === "error") {
      this.enter("failed");
      this.say(`The experiment stopped: ${message.text}. What has been run stays.`);
      this.announce("The experiment stopped.");
    } else this.enter(message.type === "hidden" ? "hidden" : "running");
    this.drawSoon();
  }

  /** @param {Course} course */
  finish(course) {
    this.enter("done");
    this.say(`${course.ended.length} runs in ${inTime(course.spent)}.`);
    this.draw();
    const said = [...this.parts.verdict.children].map((line) => line.textContent);
    this.announce(`The experiment is over. ${said.join(" ")}`);
  }

  /** Count the time of running, without pauses. */
  tick() {
    const now = performance.now();
    const { course } = this;
    if (!course) return;
    if (this.state === "running") course.spent += now - course.since;
    course.since = now;
  }

  // What is seen

  /** @param {string} text */
  say(text) {
    this.parts.clock.textContent = text;
  }

  /** @param {string} text */
  announce(text) {
    this.parts.announcer.textContent = text;
  }

  drawSoon() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { course } = this;
    if (!course || !this.root.open) return;
    this.drawProgress(course);
    const cells = cellsOf(course.plan, course.ended, this.enough(course.plan));
    const count = course.ended.filter(Boolean).length;
    const { found, verdict: said, svg } = this.parts;
    found.hidden = count === 0;
    said.hidden = this.state !== "done";
    const box = `${svg.clientWidth} ${svg.clientHeight}`;
    const seen = [count, course.ended.length, this.state === "done", box, this.link()].join();
    if (seen === this.seen) return;
    this.seen = seen;
    this.drawResults(course, cells);
  }

  /**
   * @param {Course} course
   * @param {Cell[]} cells
   */
  drawResults({ plan, ended }, cells) {
    const { trial, data, parts } = this;
    const isClaimed = this.plans.isClaimed(plan);
    const rows = compare(cells, contrastsOf(plan, trial, isClaimed), trial.margin);
    drawResults(parts, data, plan, cells, rows);
    if (this.state !== "done") return;
    const own = verdict(plan, trial, isClaimed, cells, rows);
    const whole = /** @type {Ended[]} */ (ended);
    const scale = scaleInWords(trial, data.train_count, whole);
    drawVerdict(parts, trial, plan.seeds.length, own, scale);
  }

  /**
   * The accuracy from which on a run counts as trained.
   * @param {Plan} plan
   */
  enough({ base }) {
    return this.trial.enough[base.data];
  }

  link() {
    return this.course ? this.plans.write(this.course.plan) : "";
  }

  /** @param {Course} course */
  drawProgress(course) {
    const { progress } = this.parts;
    this.tick();
    const whole = this.state === "done" ? 1 : course.done;
    progress.value = whole;
    const runs = course.ended.filter(Boolean).length;
    const part = `${runs} of ${course.ended.length} runs`;
    progress.setAttribute("aria-valuetext", part);
    if (!this.isRunning) return;
    const left = (course.spent * (1 - whole)) / whole;
    const known = whole > 0 && course.spent > PASSING;
    const rest = known ? `about ${inTime(left)} left` : "starting";
    const pause = this.state === "hidden" ? "paused while the tab is hidden" : "paused";
    this.say(`${part}; ${this.state === "running" ? rest : pause}.`);
  }

  // Links and files

  /**
   * Take the plan of an address, if it is for this lab.
   * @param {string} hash
   */
  open(hash) {
    const linked = this.plans.read(hash);
    if (!linked) return false;
    this.root.open = true;
    if ("error" in linked) {
      this.say(`The link to this experiment is damaged (${linked.error}).`);
    } else {
      this.linked = linked;
      this.chosen = "link";
      this.parts.seeds.value = String(linked.plan.seeds.length);
      if (!this.isRunning) this.say("Experiment loaded from the link.");
    }
    this.refresh();
    this.root.scrollIntoView();
    return true;
  }

  /**
   * Take the plan of an address that the reader goes to; the panel's own says nothing new.
   * @param {string} hash
   */
  follow(hash) {
    if (hash !== this.parts.link.hash) this.open(hash);
  }

  save() {
    const { course } = this;
    if (!course?.ended.some(Boolean)) return;
    const text = csv(course.plan, course.ended, this.enough(course.plan), this.plans.codeOf);
    saveAs(`${this.data.preset}.csv`, text, "text/csv");
  }
}
