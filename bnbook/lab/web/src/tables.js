// The text equivalents of the pictures: curves by evaluation, and the layers as they stand.
import { shareAlive } from "./panels.js";
import { GOAL, LAYERS, reached } from "./story.js";
import { addHtml, percent, thousands } from "./svg.js";

function build(holder, heads, rows, empty) {
  holder.replaceChildren();
  if (!rows.length) { addHtml(holder, "p", empty); return; }
  const table = addHtml(holder, "table", "");
  const top = addHtml(addHtml(table, "thead", ""), "tr", "");
  for (const head of heads) addHtml(top, "th", head, { scope: "col" });
  const body = addHtml(table, "tbody", "");
  for (const [first, ...rest] of rows) {
    const row = addHtml(body, "tr", "");
    addHtml(row, "th", first, { scope: "row" });
    for (const text of rest) addHtml(row, "td", text);
  }
}

function number(value) {
  if (!Number.isFinite(value)) return "–";
  return value && Math.abs(value) < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

export function fillCurves(holder, run, recorded) {
  const own = run && run.perEpoch ? run.nets : [];
  const perEpoch = run && run.perEpoch ? run.perEpoch : 1;
  const steps = new Set(own.flatMap((one) => one.evaluations.map((each) => each.step)));
  if (!own.length) for (const band of recorded) band.mean.forEach((_, epoch) => steps.add(epoch));
  const heads = ["Epoch"];
  if (own.length) heads.push("Step");
  for (const one of own) heads.push(one.label + ": accuracy", "with running statistics", "training loss");
  for (const band of recorded) heads.push(band.label + " recorded: accuracy", "training loss");
  const rows = [...steps].sort((a, b) => a - b).map((step) => {
    const epoch = step / perEpoch;
    const cells = [String(Number(epoch.toFixed(2)))];
    if (own.length) cells.push(String(step));
    for (const one of own) {
      const found = one.evaluations.find((each) => each.step === step);
      if (found) cells.push(percent(found.correct / run.images), percent(found.correctRunning / run.images), number(found.trainLoss));
      else cells.push("–", "–", "–");
    }
    for (const band of recorded) {
      const known = Number.isInteger(epoch) && band.mean[epoch] !== undefined && band.mean[epoch] !== null;
      const bounds = known && band.low[epoch] !== null ? " [" + (100 * band.low[epoch]).toFixed(1) + ", " + (100 * band.high[epoch]).toFixed(1) + "]" : "";
      cells.push(known ? percent(band.mean[epoch]) + bounds : "–", known ? number(band.loss[epoch] === null ? NaN : band.loss[epoch]) : "–");
    }
    return cells;
  });
  build(holder, heads, rows, "Nothing to show yet.");
  const prints = own.filter((one) => one.hash).map((one) => one.label + ": last loss " + one.lastLoss + ", weights " + one.hash);
  if (prints.length) addHtml(holder, "p", "To compare with another machine: " + prints.join("; ") + ".", { class: "prints" });
}

// How long training alone has taken, per step and until the goal, and how that compares.
export function fillTimes(holder, run) {
  const heads = ["Net", "one step", "until " + GOAL + " %"];
  const times = run.nets.map((one) => {
    const last = one.evaluations[one.evaluations.length - 1];
    const goal = reached(one.evaluations, run.images);
    return { step: last && last.step ? last.seconds / last.step : NaN, goal: goal ? goal.seconds : NaN, steps: goal ? goal.step : 0 };
  });
  const rows = run.nets.map((one, i) => [
    one.label + " · " + one.name,
    Number.isFinite(times[i].step) ? number(1000 * times[i].step) + " ms" : "–",
    Number.isFinite(times[i].goal) ? times[i].goal.toFixed(1) + " s, " + thousands(times[i].steps) + " steps" : "not yet",
  ]);
  if (times.length === 2) rows.push(["A : B", ratio(times, "step"), ratio(times, "goal")]);
  build(holder, heads, rows, "");
}

function ratio([a, b], what) {
  return Number.isFinite(a[what] / b[what]) ? (a[what] / b[what]).toFixed(2) : "–";
}

export function fillLayers(holder, run, range) {
  const heads = ["Layer", "mean square before the norm", "after it", "after the activation", "share in the live range", "weight gradient", "bias gradient", "gamma", "beta"];
  const span = (values) => (values ? number(Math.min(...values)) + " to " + number(Math.max(...values)) : "–");
  const rows = (run ? run.nets : []).filter((one) => one.probe).flatMap(({ label, net, probe }) =>
    [...LAYERS, "out"].map((layer, i) => [
      label + ", " + layer,
      number(probe.squareBefore[i]),
      number(probe.squareNormed[i]),
      number(probe.squareActivated[i]),
      i < 4 ? percent(shareAlive(probe.after[i], range, net.activation)) : "–",
      number(probe.gradientNorm[i]),
      number(probe.biasGradientNorm[i]),
      span(probe.gamma[i]),
      span(probe.beta[i]),
    ]));
  build(holder, heads, rows, "Train first: then the layers' values stand here.");
}
