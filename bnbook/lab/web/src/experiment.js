// "Run the experiment here": the chapter's experiment on the reader's own machine, in small.
import { draw, find, freshId, h, rich, swatch } from "./dom.js";
import { drawDots } from "./dots.js";
import { percent, thousands } from "./numbers.js";
import { createPlans, FEWEST, jobsOf, MOST } from "./plan.js";
import { accuracyScale } from "./plots.js";
import { createPool, workers } from "./pool.js";
import { fillTable } from "./tables.js";
import {
  cellsOf,
  compare,
  contrastsOf,
  csv,
  difference,
  present,
  tallyInWords,
  verdict,
} from "./verdict.js";

const LETTERS = "ABCDEF";
const MARKERS = ["triangle", "diamond", "circle", "square"];
const SHOWN_FOR = 2500; // ms, for a word that takes another's place
const PASSING = 1000; // ms of training before the time left is worth saying

/** @typedef {import("./plan.js").Plan} Plan */
/** @typedef {import("./plan.js").Choice} Choice */
/** @typedef {import("./verdict.js").Cell} Cell */
/** @typedef {"idle" | "running" | "paused" | "hidden" | "done" | "cancelled" | "failed"} State */
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
  paused: "Go on",
  hidden: "Pause",
  done: "Run again",
  cancelled: "Run again",
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
    this.pool = createPool(workers(), lent.trainer, (message) => this.hear(message));
    this.parts = build(trial);
    this.root = this.parts.root;
    this.listen();
    this.refresh();
  }

  listen() {
    const { primary, cancel, seeds, link, download, plans, root } = this.parts;
    primary.addEventListener("click", () => this.press());
    cancel.addEventListener("click", () => this.cancel());
    seeds.addEventListener("change", () => this.refresh());
    plans.addEventListener("change", (event) => {
      this.chosen = /** @type {HTMLInputElement} */ (event.target).value;
      this.refresh();
    });
    link.addEventListener("click", () => this.copyLink());
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
    const seeds = this.linked.plan.seeds;
    const first = seeds[0];
    const plan = {
      ...this.linked.plan,
      seeds: Array.from({ length: this.count() }, (_, i) => first + i),
    };
    return [...found, { ...this.linked, plan }];
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
    this.showChoices(choice.id);
    const { nets, base, seeds: used } = choice.plan;
    const jobs = jobsOf(choice.plan);
    const rates = nets[0].lrs.length > 1 ? ` × ${nets[0].lrs.length} learning rates` : "";
    const size = `${nets.length} nets × ${used.length} seeds${rates}`;
    summary.textContent = `Run the experiment here: ${size}`;
    cost.textContent =
      `${jobs.length} runs of ${base.epochs} epochs at batch size ${base.batch}, ` +
      `seeds ${used[0]} to ${used.at(-1)}, ${inParallel(Math.min(workers(), jobs.length))}.`;
    link.href = this.plans.write(this.course?.plan ?? choice.plan);
    this.refreshButtons();
  }

  /** @param {string} chosen */
  showChoices(chosen) {
    const { plans, group } = this.parts;
    const choices = this.choices();
    const known = [...plans.querySelectorAll("label")];
    if (known.length !== choices.length) {
      for (const label of known) label.remove();
      plans.append(...choices.map(({ id }) => radio(group, id)));
    }
    choices.forEach(({ id, text }, i) => {
      const label = plans.querySelectorAll("label")[i];
      const input = /** @type {HTMLInputElement} */ (find(label, "input"));
      input.value = id;
      input.checked = id === chosen;
      find(label, "span").textContent = text;
    });
    plans.hidden = choices.length < 2;
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
    this.enter("cancelled");
    const { course } = this;
    const done = course?.ended.filter(Boolean).length ?? 0;
    this.say(`Cancelled after ${done} of ${course?.ended.length} runs.`);
    this.announce(`Cancelled after ${done} runs.`);
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
    this.announce(`The experiment is over. ${this.parts.verdict.textContent}`);
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
    const cells = cellsOf(course.plan, course.ended, this.trial.enough);
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

  /**
   * @param {Course} course
   * @param {Cell[]} cells
   */
  drawResults(course, cells) {
    const { svg, legend, table, pairs, chart } = this.parts;
    const looks = looksOf(this.data, course.plan.nets.length);
    const accuracies = cells.flatMap((cell) => present(cell).map((run) => run.accuracy));
    const top = Math.max(this.data.top, Math.min(this.data.perfect, Math.max(0, ...accuracies)));
    const scale = accuracyScale(this.data.accuracy_ticks, top);
    const picture = { cells, looks, letters: LETTERS, scale };
    drawDots(svg, picture, [svg.clientWidth || 480, svg.clientHeight || 260]);
    find(chart, "figcaption").textContent =
      `Validation accuracy after ${course.plan.base.epochs} epochs, a dot for each seed`;
    legend.replaceChildren(...this.legend(course.plan, cells, looks));
    fillRuns(table, course.plan, cells);
    const isClaimed = this.plans.isClaimed(course.plan);
    const rows = compare(cells, contrastsOf(course.plan, this.trial, isClaimed), this.trial.margin);
    fillPairs(pairs, rows);
    if (this.state === "done") this.drawVerdict(course, cells);
  }

  /**
   * @param {Plan} plan
   * @param {Cell[]} cells
   * @param {Look[]} looks
   */
  legend(plan, cells, looks) {
    return plan.nets.map(({ label, lrs }, net) => {
      const mine = cells.filter((cell) => cell.net === net);
      const rates = lrs.length > 1 ? "" : ` at learning rate ${lrs[0]}`;
      const text = mine.length > 1 ? trainsAt(mine) : tallyInWords(mine[0]);
      return h(
        "li",
        {},
        swatch({ ...looks[net], dash: "none" }),
        h("span", {}, h("strong", {}, LETTERS[net]), ` ${label}${rates}`),
        h("span", { class: "soft" }, text),
      );
    });
  }

  /**
   * @param {Course} course
   * @param {Cell[]} cells
   */
  drawVerdict({ plan, ended }, cells) {
    const { book, note } = this.trial;
    const isClaimed = this.plans.isClaimed(plan);
    const { decision, why } = verdict(plan, this.trial, isClaimed, cells);
    const pairs = `Your ${plan.seeds.length} seeds: `;
    const own = h("p", { class: "own" }, pairs);
    if (decision) own.append(h("strong", {}, decision), ". ");
    own.append(why);
    const lines = [own];
    if (book && isClaimed) {
      const words = h("p", {}, `The book's ${book.seeds} seeds: `);
      words.append(h("strong", {}, book.decision), ". ", rich("span", book.evidence_html));
      lines.push(words, h("p", { class: "soft" }, this.scaleInWords(ended)));
    }
    if (note) lines.push(h("p", { class: "soft" }, note));
    this.parts.verdict.replaceChildren(...lines);
  }

  /** @param {(Ended | undefined)[]} ended */
  scaleInWords(ended) {
    const { book } = this.trial;
    const steps = Math.max(...ended.map((one) => one?.rows.at(-1)?.step ?? 0));
    if (!book) return "";
    return (
      `The book trains on ${thousands(book.images)} images for ${thousands(book.steps)} steps ` +
      `and counts on 10,000 test images; here it is ${thousands(this.data.train_count)} images, ` +
      `${thousands(steps)} steps and ${thousands(ended[0]?.images ?? 0)} validation images.`
    );
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
      if (!this.isRunning) this.say("The experiment is that of the link.");
    }
    this.refresh();
    this.root.scrollIntoView();
    return true;
  }

  /** The browser itself puts the link into the address bar; a copy is a courtesy. */
  async copyLink() {
    const { link } = this.parts;
    const text = link.textContent;
    const copied = await navigator.clipboard?.writeText(link.href).then(
      () => true,
      () => false,
    );
    link.textContent = copied ? "Link copied" : "Link in the address bar";
    setTimeout(() => {
      link.textContent = text;
    }, SHOWN_FOR);
  }

  save() {
    const { course } = this;
    if (!course?.ended.some(Boolean)) return;
    const text = csv(course.plan, course.ended, this.trial.enough, this.plans.codeOf);
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    h("a", { href: address, download: `${this.data.preset}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), SHOWN_FOR);
  }
}

/** @param {Trial} trial */
function build(trial) {
  const summary = h("summary");
  const group = freshId();
  const plans = h("fieldset", { class: "plans" }, h("legend", {}, "What to run"));
  const limits = { type: "number", min: FEWEST, max: MOST, step: 1, value: trial.seeds };
  const seeds = h("input", { ...limits, name: "seeds" });
  const cost = h("span", { class: "soft cost" });
  const primary = h("button", { type: "button", class: "primary" });
  const cancel = h("button", { type: "button" }, "Cancel");
  const progress = h("progress", { max: 1, value: 0, "aria-label": "Progress of the experiment" });
  const clock = h("p", { class: "clock" });
  const chart = h("figure", { class: "chart" }, h("figcaption"));
  const label = "Accuracy of each run by net, in numbers below";
  const svg = draw(chart, "svg", { role: "img", "aria-label": label });
  const legend = h("ul", { class: "legend" });
  const verdict = h("div", { class: "verdict", hidden: true });
  const [pairs, table] = ["The comparisons", "All runs"].map((name) =>
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }),
  );
  const numbers = h("details", {}, h("summary", {}, "The numbers as tables"), pairs, table);
  const link = h("a", { href: "#" }, "Link to this experiment");
  const download = h("button", { type: "button" }, "Download as CSV");
  const found = h(
    "div",
    { hidden: true },
    h("div", { class: "found charts" }, chart, legend),
    verdict,
    numbers,
    h("p", { class: "links" }, link, download),
  );
  const announcer = h("p", { class: "announcer", role: "status", "aria-live": "polite" });
  const root = h(
    "details",
    { class: "experiment" },
    summary,
    h("p", { class: "claim" }, "The claim: ", h("strong", {}, trial.claim)),
    plans,
    h("div", { class: "numbers seeds" }, h("label", {}, "Seeds", seeds), cost),
    h("div", { class: "bar" }, primary, cancel),
    h("div", { class: "course" }, progress, clock),
    found,
    announcer,
  );
  return {
    ...{ root, summary, group, plans, seeds, cost, primary, cancel, progress, clock, chart, svg },
    ...{ legend, verdict, pairs, table, link, download, found, announcer },
  };
}

/**
 * @param {string} name
 * @param {string} value
 */
function radio(name, value) {
  return h("label", {}, h("input", { type: "radio", name, value }), h("span"));
}

/**
 * @param {HTMLButtonElement} button
 * @param {boolean} can
 */
function able(button, can) {
  button.setAttribute("aria-disabled", String(!can));
}

/**
 * What tells the nets apart: the lab's two first.
 * @param {LabSettings} data
 * @param {number} count
 * @returns {Look[]}
 */
function looksOf({ looks, kept_colours: colours }, count) {
  const more = colours.map((colour, i) => ({ colour, dash: "none", marker: MARKERS[i % 4] }));
  return [...looks, ...more].slice(0, count);
}

/** @param {Cell[]} cells of one net */
function trainsAt(cells) {
  const all = cells.filter((cell) => {
    const runs = present(cell);
    return runs.length && 2 * runs.filter((run) => run.trained).length >= runs.length;
  });
  const rates = all.map((cell) => cell.lr).join(", ");
  return rates ? `half or more of the seeds train at ${rates}` : "trains at none yet";
}

/**
 * @param {Element} holder
 * @param {Plan} plan
 * @param {Cell[]} cells
 */
function fillRuns(holder, plan, cells) {
  const several = plan.nets[0].lrs.length > 1;
  const heads = cells.map(({ label, lr }) => (several ? `${label}, rate ${lr}` : label));
  const rows = plan.seeds.map((seed, i) => [
    String(seed),
    ...cells.map(({ runs }) => {
      const run = runs[i];
      if (!run) return "–";
      return percent(run.accuracy) + (run.trained ? "" : `, ${run.outcome}`);
    }),
  ]);
  fillTable(holder, ["Seed", ...heads], rows);
}

/**
 * @param {Element} holder
 * @param {import("./verdict.js").Comparison[]} comparisons
 */
function fillPairs(holder, comparisons) {
  const heads = ["Comparison", "Difference with its 95 % interval", "Trained", "Finding"];
  const rows = comparisons
    .filter((row) => row.n > 1)
    .map((row) => [
      `${row.a.label} − ${row.b.label}${row.a.lr === row.b.lr ? `, rate ${row.a.lr}` : ""}`,
      difference(row),
      `${row.n - row.failedA} and ${row.n - row.failedB} of ${row.n}`,
      row.finding,
    ]);
  fillTable(holder, heads, rows, "Two pairs make the first comparison.");
}

/** @param {number} count */
function inParallel(count) {
  return count > 1 ? `${count} at a time` : "one after the other";
}

/** @param {number} ms */
function inTime(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  return `${Math.round(seconds / 60)} min`;
}
