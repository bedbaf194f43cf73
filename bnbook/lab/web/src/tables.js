// The text equivalents of the pictures: curves by evaluation, and the layers as they stand.
import { bounds } from "./bands.js";
import { h } from "./dom.js";
import { percent, thousands } from "./numbers.js";
import { shareAlive } from "./panels.js";
import { GOAL, reached } from "./story.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {Band & { label: string }} LabelledBand */

/**
 * What is larger than its place scrolls, by the keyboard, too.
 * @param {string} label
 */
export function scrolling(label) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label });
}

/**
 * A fold.
 * @param {string} name
 * @param {string} summary
 * @param {Element} [content]
 */
export function folded(name, summary, content = scrolling(summary)) {
  return h("details", { class: name }, h("summary", {}, summary), content);
}

/**
 * @param {Element} holder
 * @param {string[]} heads
 * @param {string[][]} rows
 * @param {string} [empty] what stands there without rows
 */
export function fillTable(holder, heads, rows, empty = "") {
  if (!rows.length) {
    holder.replaceChildren(h("p", {}, empty));
    return;
  }
  const top = heads.map((head) => h("th", { scope: "col" }, head));
  const body = rows.map(([first, ...rest]) =>
    h("tr", {}, h("th", { scope: "row" }, first), ...rest.map((text) => h("td", {}, text))),
  );
  holder.replaceChildren(
    h("table", {}, h("thead", {}, h("tr", {}, ...top)), h("tbody", {}, ...body)),
  );
}

/** @param {number | null} value */
function number(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const small = value !== 0 && Math.abs(value) < 1e-3;
  return small ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

/**
 * @param {Element} holder
 * @param {Run | null} run
 * @param {LabelledBand[]} recorded
 */
export function fillCurves(holder, run, recorded) {
  const own = run?.isReady ? run.nets : [];
  const perEpoch = run?.isReady ? run.perEpoch : 1;
  const steps = new Set(own.flatMap((one) => one.evaluations.map((each) => each.step)));
  if (!own.length) {
    for (const epoch of recorded.flatMap((band) => [...band.mean.keys()])) steps.add(epoch);
  }
  const heads = own.length ? ["Epoch", "Step"] : ["Epoch"];
  for (const one of own) {
    heads.push(`${one.label}: accuracy`, "with running statistics", "training loss");
  }
  for (const band of recorded) heads.push(`${band.label} recorded: accuracy`, "training loss");
  const rows = [...steps]
    .sort((a, b) => a - b)
    .map((step) => {
      const epoch = step / perEpoch;
      const cells = [String(Number(epoch.toFixed(2)))];
      if (own.length) cells.push(String(step));
      for (const one of own) cells.push(...evaluationCells(run, one, step));
      for (const band of recorded) cells.push(...bandCells(band, epoch));
      return cells;
    });
  fillTable(holder, heads, rows, "Nothing to show yet.");
  const prints = own
    .filter((one) => one.hash)
    .map((one) => `${one.label}: last loss ${one.lastLoss}, weights ${one.hash}`);
  if (prints.length) {
    const text = `To compare with another machine: ${prints.join("; ")}.`;
    holder.append(h("p", { class: "prints" }, text));
  }
}

/**
 * @param {Run | null} run
 * @param {import("./run.js").RunningNet} one
 * @param {number} step
 */
function evaluationCells(run, one, step) {
  const found = one.evaluations.find((each) => each.step === step);
  if (!run || !found) return ["–", "–", "–"];
  const shares = [found.correct, found.correctRunning].map((count) => percent(count / run.images));
  return [...shares, number(found.trainLoss)];
}

/**
 * @param {Band} band
 * @param {number} epoch
 */
function bandCells(band, epoch) {
  const mean = Number.isInteger(epoch) ? band.mean[epoch] : null;
  if (mean == null) return ["–", "–"];
  return [percent(mean) + bounds(band, epoch), number(band.loss[epoch])];
}

/**
 * How long training alone has taken, per step and until the goal, and how that compares.
 * @param {Element} holder
 * @param {Run} run
 */
export function fillTimes(holder, run) {
  const times = run.nets.map((one) => {
    const last = one.evaluations.at(-1);
    const goal = reached(one.evaluations, run.images);
    return {
      step: last?.step ? last.seconds / last.step : Number.NaN,
      goal: goal?.seconds ?? Number.NaN,
      steps: goal?.step ?? 0,
    };
  });
  const rows = run.nets.map((one, i) => {
    const { step, goal, steps } = times[i];
    return [
      `${one.label} · ${one.name}`,
      Number.isFinite(step) ? `${number(1000 * step)} ms` : "–",
      Number.isFinite(goal) ? `${goal.toFixed(1)} s, ${thousands(steps)} steps` : "not yet",
    ];
  });
  if (times.length === 2) {
    const [a, b] = times;
    rows.push(["A : B", ratio(a.step / b.step), ratio(a.goal / b.goal)]);
  }
  fillTable(holder, ["Net", "one step", `until ${GOAL}%`], rows);
}

/**
 * "1 in 40" of a layer's mean square tells images apart.
 * @param {Element} holder
 * @param {Run} run
 * @param {string[]} layers
 */
export function fillContrast(holder, run, layers) {
  const rows = run.nets.map(({ label, name, probe }) => {
    const shares = probe?.imageShare ?? [];
    const words = [...layers, "out"].map((_, i) => {
      return shares[i] > 0 ? `1 in ${thousands(1 / shares[i])}` : "–";
    });
    return [`${label} · ${name}`, ...words];
  });
  fillTable(holder, ["Net", ...layers, "out"], rows);
}

/** @param {number} value */
function ratio(value) {
  return Number.isFinite(value) ? value.toFixed(2) : "–";
}

const LAYER_HEADS = [
  "Layer",
  "mean square before the norm",
  "after it",
  "after the activation",
  "share in the live range",
  "weight gradient",
  "bias gradient",
  "gamma",
  "beta",
];

/** @param {ArrayLike<number> | null | undefined} values */
function span(values) {
  if (!values) return "–";
  const all = Array.from(values);
  return `${number(Math.min(...all))} to ${number(Math.max(...all))}`;
}

/**
 * @param {Element} holder
 * @param {Run | null} run
 * @param {string[]} layers
 * @param {number} range
 */
export function fillLayers(holder, run, layers, range) {
  const rows = (run?.nets ?? []).flatMap(({ label, net, probe }) =>
    [...layers, "out"].map((layer, i) => {
      if (!probe) return [];
      return [
        `${label}, ${layer}`,
        number(probe.squareBefore[i]),
        number(probe.squareNormed[i]),
        number(probe.squareActivated[i]),
        i < layers.length ? percent(shareAlive(probe.after[i], range, net.activation)) : "–",
        number(probe.gradientNorm[i]),
        number(probe.biasGradientNorm[i]),
        span(probe.gamma[i]),
        span(probe.beta[i]),
      ];
    }),
  );
  const known = rows.filter((row) => row.length);
  fillTable(holder, LAYER_HEADS, known, "Train first; the layers’ values will appear here.");
}
