// What goes on inside the nets, per layer: distributions, bias gradients, gamma and beta.
import { LAYERS } from "./story.js";
import { add, addHtml, markerPath } from "./svg.js";

const AFFINE_BINS = 49; // odd: the start is in the middle of a bin
// Where the sigmoid's slope is at least a tenth of its greatest: s (1 - s) >= 1/40.
const LIVE = Math.log((1 + Math.sqrt(0.9)) / (1 - Math.sqrt(0.9)));
// A slot's picture in its own units: two histograms of this height, one under the other.
const [CELL, HALF, GAP] = [128, 28, 6];

// A strip: a head with the layers' names, then a row per net, each with a cell per layer.
// "rows" are the nets on show: [{ look, label, halves }]; "halves" name a cell's two pictures.
export function buildStrip(holder, rows, ends) {
  holder.replaceChildren();
  addHtml(holder, "span", "", { class: "corner" });
  for (const layer of LAYERS) addHtml(holder, "span", layer, { class: "layer" });
  const cells = rows.map((row) => {
    const name = addHtml(holder, "div", "", { class: "side" });
    addHtml(name, "strong", row.label);
    for (const half of row.halves) addHtml(name, "span", half);
    return LAYERS.map(() => buildCell(addHtml(holder, "div", "", { class: "slot" }), row.look));
  });
  if (ends.length) addHtml(holder, "span", "", { class: "corner" });
  for (const _ of ends.length ? LAYERS : []) {
    const axis = addHtml(holder, "span", "", { class: "ends" });
    for (const end of ends) addHtml(axis, "span", end);
  }
  return cells;
}

function buildCell(holder, look) {
  holder.style.setProperty("--look", look.colour);
  const svg = add(holder, "svg", { viewBox: "0 0 " + CELL + " " + (2 * HALF + GAP), preserveAspectRatio: "none", "aria-hidden": "true" });
  return {
    live: add(svg, "rect", { class: "live", y: 0, height: 2 * HALF + GAP, width: 0 }),
    zero: add(svg, "path", { class: "zero", d: "M" + CELL / 2 + " 0V" + (2 * HALF + GAP) }),
    lines: add(svg, "path", { class: "base", d: "M0 " + HALF + "H" + CELL + "M0 " + (2 * HALF + GAP) + "H" + CELL }),
    upper: add(svg, "path", { class: "upper" }),
    lower: add(svg, "path", { class: "lower" }),
    note: addHtml(holder, "span", "", { class: "absent" }),
    text: addHtml(holder, "span", "", { class: "number" }),
  };
}

// The outline of a histogram that stands on "base"; its tallest bin fills the height.
function histogramPath(shares, base) {
  const tallest = Math.max(...shares);
  if (!(tallest > 0)) return "";
  const wide = CELL / shares.length;
  let path = "M0 " + base;
  shares.forEach((share) => { path += "V" + (base - (share / tallest) * (HALF - 2)).toFixed(1) + "h" + wide; });
  return path + "V" + base;
}

// Of [range low, range high] in "shares", the part within the activation's live range.
export function shareAlive(shares, range, activation) {
  const [low, high] = liveRange(range, activation);
  const wide = (2 * range) / shares.length;
  let inside = 0;
  shares.forEach((share, i) => {
    const left = -range + i * wide;
    inside += share * Math.max(0, Math.min(left + wide, high) - Math.max(left, low)) / wide;
  });
  return inside;
}

function liveRange(range, activation) {
  return activation === "relu" ? [0, range] : [-LIVE, LIVE];
}

export function updateDistributions(cells, net, probe, range) {
  const [low, high] = liveRange(range, net.activation).map((value) => ((value + range) / (2 * range)) * CELL);
  cells.forEach((cell, i) => {
    const normed = net.norms[i] !== "none";
    cell.live.setAttribute("x", low);
    cell.live.setAttribute("width", high - low);
    cell.upper.setAttribute("d", normed ? histogramPath(probe.before[i], HALF) : "");
    cell.lower.setAttribute("d", histogramPath(probe.after[i], 2 * HALF + GAP));
    cell.note.textContent = normed ? "" : "no norm";
    cell.text.textContent = Math.round(100 * shareAlive(probe.after[i], range, net.activation)) + " % live";
  });
}

// Counts of values in bins over start - reach to start + reach; the end bins take the rest.
export function histogram(values, start, reach, bins) {
  const counts = new Array(bins).fill(0);
  for (const value of values) {
    const bin = Math.floor(((value - start + reach) / (2 * reach)) * bins);
    counts[Math.min(Math.max(bin, 0), bins - 1)] += 1;
  }
  return counts;
}

export function updateAffine(cells, net, probe, reach) {
  cells.forEach((cell, i) => {
    const [gamma, beta] = [probe.gamma[i], probe.beta[i]];
    cell.upper.setAttribute("d", gamma ? histogramPath(histogram(gamma, 1, reach, AFFINE_BINS), HALF) : "");
    cell.lower.setAttribute("d", beta ? histogramPath(histogram(beta, 0, reach, AFFINE_BINS), 2 * HALF + GAP) : "");
    cell.note.textContent = gamma ? "" : "no norm";
    const fixed = { both: "", gamma: "beta fixed", beta: "gamma fixed", none: "both fixed" }[net.trained === "head" ? "none" : net.affine];
    cell.text.textContent = gamma ? fixed : "";
  });
}

// Bias gradient over weight gradient, layer by layer, on a logarithmic axis.
// "nets": [{ look, label, probe }]
export function drawRatios(svg, nets, width) {
  const layers = [...LAYERS, "out"];
  const [left, right, top, row] = [46, width - 14, 8, 26];
  const bottom = top + row * layers.length;
  const [low, high] = [-10, 2];
  svg.replaceChildren();
  svg.setAttribute("viewBox", "0 0 " + width + " " + (bottom + 36));
  const x = (power) => left + ((Math.min(Math.max(power, low), high) - low) / (high - low)) * (right - left);
  for (let power = low; power <= high; power += 2) {
    add(svg, "line", { class: "grid", x1: x(power), x2: x(power), y1: top, y2: bottom });
    const label = add(svg, "text", { class: "mute", x: x(power), y: bottom + 16, "text-anchor": "middle" }, power ? "10" : "1");
    if (power) add(label, "tspan", { dy: -5, "font-size": 9 }, String(power).replace("-", "\u2212"));
  }
  add(svg, "text", { class: "mute", x: (left + right) / 2, y: bottom + 33, "text-anchor": "middle" }, "bias gradient / weight gradient");
  layers.forEach((layer, i) => {
    const middle = top + row * (i + 0.5);
    add(svg, "text", { class: "mute", x: left - 8, y: middle + 4, "text-anchor": "end" }, layer);
    add(svg, "line", { class: "grid", x1: left, x2: right, y1: middle, y2: middle });
    nets.forEach((net, k) => {
      const at = middle + (k - (nets.length - 1) / 2) * 10;
      const ratio = net.probe.biasGradientNorm[i] / net.probe.gradientNorm[i]; // NaN without a bias
      if (Number.isNaN(ratio)) add(svg, "text", { class: "none", x: right, y: at + 4, "text-anchor": "end" }, net.label + ": no bias");
      else add(svg, "path", { d: markerPath(net.look.marker, x(Math.log10(ratio)), at), fill: net.look.colour });
    });
  });
}
