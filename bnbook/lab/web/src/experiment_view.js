// What is seen of an experiment: its markup, dots, counts, comparisons and verdict.
import { copiedLink } from "./clipboard.js";
import { draw, find, freshId, h, rich, sizeOf, spoken, swatch } from "./dom.js";
import { drawDots } from "./dots.js";
import { percent, thousands } from "./numbers.js";
import { FEWEST, MOST } from "./plan.js";
import { accuracyScale } from "./plots.js";
import { fillTable, scrolling } from "./tables.js";
import { difference, present, tallyInWords } from "./verdict.js";

const LETTERS = "ABCDEF";
const MARKERS = ["triangle", "diamond", "circle", "square"];

/** @typedef {import("./plan.js").Plan} Plan */
/** @typedef {import("./plan.js").Choice} Choice */
/** @typedef {import("./verdict.js").Cell} Cell */
/** @typedef {import("./verdict.js").Comparison} Comparison */
/** @typedef {ReturnType<typeof build>} Parts */

/** @param {Trial} trial */
export function build(trial) {
  const summary = h("summary");
  const group = freshId();
  const plans = h("fieldset", { class: "plans" }, h("legend", { class: "unseen" }, "What to run"));
  const limits = { type: "number", min: FEWEST, max: MOST, step: 1, value: trial.seeds };
  const seeds = h("input", { ...limits, name: "seeds" });
  const cost = h("span", { class: "soft cost" });
  const primary = h("button", { type: "button", class: "primary" });
  const cancel = h("button", { type: "button" }, "Cancel");
  const progress = h("progress", { max: 1, value: 0, "aria-label": "Progress of the experiment" });
  const clock = h("p", { class: "clock" });
  const chart = h("figure", { class: "chart" }, h("figcaption"));
  const caption = find(chart, "figcaption");
  const label = "Accuracy of each run by net, in numbers below";
  const svg = draw(chart, "svg", { role: "img", "aria-label": label });
  const legend = h("ul", { class: "legend" });
  const verdict = h("div", { class: "verdict", hidden: true });
  const [pairs, table] = ["The comparisons", "All runs"].map(scrolling);
  const numbers = h("details", {}, h("summary", {}, "The numbers as tables"), pairs, table);
  const link = copiedLink("Link to this experiment");
  const download = h("button", { type: "button" }, "Download as CSV");
  const found = h(
    "div",
    { hidden: true },
    h("div", { class: "found" }, h("div", { class: "dotted" }, chart), legend),
    verdict,
    numbers,
    h("p", { class: "links" }, link, download),
  );
  const announcer = spoken("p", "announcer");
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
    root,
    summary,
    group,
    plans,
    seeds,
    cost,
    primary,
    cancel,
    progress,
    clock,
    chart,
    caption,
    svg,
    legend,
    verdict,
    pairs,
    table,
    link,
    download,
    found,
    announcer,
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
 * @param {Parts} parts
 * @param {Choice[]} choices
 * @param {string} chosen
 */
export function showChoices({ plans, group }, choices, chosen) {
  const known = plans.querySelectorAll("label");
  if (known.length !== choices.length) {
    for (const label of known) label.remove();
    plans.append(...choices.map(({ id }) => radio(group, id)));
  }
  plans.querySelectorAll("label").forEach((label, i) => {
    const { id, text } = choices[i];
    const input = /** @type {HTMLInputElement} */ (find(label, "input"));
    input.value = id;
    input.checked = id === chosen;
    find(label, "span").textContent = text;
  });
  plans.hidden = choices.length < 2;
}

/**
 * Draw what there is so far.
 * @param {Parts} parts
 * @param {LabSettings} data
 * @param {Plan} plan
 * @param {Cell[]} cells
 * @param {Comparison[]} rows
 */
export function drawResults(parts, data, plan, cells, rows) {
  const { svg, legend, table, pairs, caption } = parts;
  const looks = looksOf(data, plan.nets.length);
  const accuracies = cells.flatMap((cell) => present(cell).map((run) => run.accuracy));
  const [worst, best] = [Math.min(1, ...accuracies), Math.max(0, ...accuracies)];
  const top = Math.max(data.top, Math.min(data.perfect, best));
  const picture = {
    ...{ cells, looks, letters: LETTERS },
    scale: closer(accuracyScale(data.accuracy_ticks, top), data.accuracy_ticks, worst),
  };
  drawDots(svg, picture, sizeOf(svg));
  caption.textContent = `Validation accuracy after ${plan.base.epochs} epochs, a dot for each seed`;
  legend.replaceChildren(...legendOf(plan, cells, looks));
  fillRuns(table, plan, cells);
  fillPairs(pairs, rows);
}

/**
 * The same scale from the last tick on that no run is below.
 * @param {import("./plots.js").Scale} scale
 * @param {number[]} accuracies of its ticks
 * @param {number} worst
 * @returns {import("./plots.js").Scale}
 */
function closer({ place, ticks }, accuracies, worst) {
  const first = Math.max(
    0,
    accuracies.findLastIndex((tick) => tick <= worst),
  );
  const low = place(accuracies[first]);
  /** @param {number} share */
  const moved = (share) => (share - low) / (1 - low);
  return {
    place: (value) => moved(place(value)),
    ticks: ticks.slice(first).map(([share, text]) => [moved(share), text]),
  };
}

/**
 * @param {Plan} plan
 * @param {Cell[]} cells
 * @param {Look[]} looks
 */
function legendOf(plan, cells, looks) {
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
 * The reader's verdict and, where it is about the same nets, the book's.
 * @param {Parts} parts
 * @param {Trial} trial
 * @param {number} seeds
 * @param {{ decision: string | null, why: string }} own
 * @param {string} scale how much the nets saw, here and in the book
 */
export function drawVerdict({ verdict }, { book, note }, seeds, { decision, why }, scale) {
  const own = h("p", { class: "own" }, `Your ${seeds} seeds: `);
  if (decision) own.append(h("strong", {}, decision), ". ");
  own.append(why);
  const lines = [own];
  if (book && decision) {
    const words = h("p", {}, `The book's ${book.seeds} seeds: `);
    words.append(h("strong", {}, book.decision), ". ", rich("span", book.evidence_html));
    lines.push(words, h("p", { class: "soft" }, scale));
  }
  if (note) lines.push(h("p", { class: "soft" }, note));
  verdict.replaceChildren(...lines);
}

/**
 * How much the book's nets saw, and the reader's.
 * @param {Trial} trial
 * @param {number} images that train
 * @param {Ended[]} ended
 */
export function scaleInWords({ book }, images, ended) {
  if (!book) return "";
  const steps = Math.max(...ended.map((one) => one.rows.at(-1)?.step ?? 0));
  return (
    `The book trains on ${thousands(book.images)} images for ${thousands(book.steps)} steps and ` +
    `counts on 10,000 test images. Here it is ${thousands(images)} images, ${thousands(steps)} ` +
    `steps, and ${thousands(ended[0].images)} validation images.`
  );
}

/**
 * What tells the nets apart: the lab's two first.
 * @param {LabSettings} data
 * @param {number} count
 * @returns {Look[]}
 */
function looksOf({ looks, kept_colors: colors }, count) {
  const more = colors.map((color, i) => ({ color, dash: "none", marker: MARKERS[i % 4] }));
  return [...looks, ...more].slice(0, count);
}

/** @param {Cell[]} cells of one net */
function trainsAt(cells) {
  const all = cells.filter((cell) => {
    const runs = present(cell);
    return runs.length && 2 * runs.filter((run) => run.trained).length >= runs.length;
  });
  const rates = all.map((cell) => cell.lr).join(", ");
  if (rates) return `half or more of the seeds train at ${rates}`;
  return cells.some((cell) => present(cell).length) ? "trains at none of these rates" : "";
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
 * @param {Comparison[]} comparisons
 */
function fillPairs(holder, comparisons) {
  const heads = ["Comparison", "Difference with its 95% interval", "Trained", "Finding"];
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

/**
 * How much there is to run, and what of it is not as usual.
 * @param {Plan} plan
 * @param {number} runs
 * @param {number} atOnce
 */
export function costInWords({ base, seeds }, runs, atOnce) {
  const { epochs, batch, momentum, decay, data } = base;
  const words = [`${runs} runs of ${epochs} epochs at batch size ${batch}`];
  if (momentum) words.push(`momentum ${momentum}`);
  if (decay) words.push(`weight decay ${decay}`);
  if (data === "clothes") words.push("on Fashion-MNIST");
  words.push(`seeds ${seeds[0]} to ${seeds.at(-1)}`, inParallel(atOnce));
  return `${words.join(", ")}.`;
}

/** @param {number} count */
function inParallel(count) {
  return count > 1 ? `${count} at a time` : "one after the other";
}

/** @param {number} ms */
export function inTime(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  return `${Math.round(seconds / 60)} min`;
}
