// What goes on inside the nets, per layer: distributions, bias gradients, gamma and beta.
import { draw, h, markerPath } from "./dom.js";
import { written } from "./numbers.js";

const AFFINE_BINS = 49; // odd: the start is in the middle of a bin
// Where the sigmoid's slope is at least a tenth of its greatest: s (1 - s) >= 1/40.
const LIVE = Math.log((1 + Math.sqrt(0.9)) / (1 - Math.sqrt(0.9)));
// A slot's picture in its own units: two histograms of this height, one under the other.
const [CELL, HALF, GAP] = [128, 28, 6];
const FLOOR = 2 * HALF + GAP;
const FIXED = { both: "", gamma: "beta fixed", beta: "gamma fixed", none: "both fixed" };

/** @typedef {ReturnType<typeof buildCell>} Cell */

/**
 * A strip: a head with the layers' names, then a row per net, each with a cell per layer.
 * @param {Element} holder
 * @param {string[]} layers
 * @param {{ look: Look, label: string, halves: string[] }[]} rows nets, and what a cell's two pictures are
 * @param {string[]} ends of the axis under the cells, if any
 */
export function buildStrip(holder, layers, rows, ends) {
  holder.replaceChildren(h("span", { class: "corner" }));
  holder.append(...layers.map((layer) => h("span", { class: "layer" }, layer)));
  const cells = rows.map(({ look, label, halves }) => {
    const names = halves.map((half) => h("span", {}, half));
    holder.append(h("div", { class: "side" }, h("strong", {}, label), ...names));
    return layers.map(() => buildCell(holder, look));
  });
  if (ends.length) {
    holder.append(h("span", { class: "corner" }));
    const axis = () => h("span", { class: "ends" }, ...ends.map((end) => h("span", {}, end)));
    holder.append(...layers.map(axis));
  }
  return cells;
}

/**
 * @param {Element} holder
 * @param {Look} look
 */
function buildCell(holder, look) {
  const slot = h("div", { class: "slot", style: `--look:${look.color}` });
  holder.append(slot);
  const svg = draw(slot, "svg", {
    viewBox: `0 0 ${CELL} ${FLOOR}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  const live = draw(svg, "rect", { class: "live", y: 0, height: FLOOR, width: 0 });
  draw(svg, "path", { class: "zero", d: `M${CELL / 2} 0V${FLOOR}` });
  draw(svg, "path", { class: "base", d: `M0 ${HALF}H${CELL}M0 ${FLOOR}H${CELL}` });
  const upper = draw(svg, "path", { class: "upper" });
  const lower = draw(svg, "path", { class: "lower" });
  const note = h("span", { class: "absent" });
  const text = h("span", { class: "number" });
  slot.append(note, text);
  return { live, upper, lower, note, text };
}

/**
 * The outline of a histogram that stands on "base"; its tallest bin fills the height.
 * @param {ArrayLike<number>} shares
 * @param {number} base
 */
function histogramPath(shares, base) {
  const values = Array.from(shares);
  const tallest = Math.max(...values);
  if (!(tallest > 0)) return "";
  const wide = CELL / values.length;
  const tops = values.map((share) => (base - (share / tallest) * (HALF - 2)).toFixed(1));
  return `M0 ${base}${tops.map((top) => `V${top}h${wide}`).join("")}V${base}`;
}

/**
 * @param {number} range
 * @param {Net["activation"]} activation
 */
function liveRange(range, activation) {
  return activation === "relu" ? [0, range] : [-LIVE, LIVE];
}

/**
 * Of [-range, range] in "shares", the part within the activation's live range.
 * @param {ArrayLike<number>} shares
 * @param {number} range
 * @param {Net["activation"]} activation
 */
export function shareAlive(shares, range, activation) {
  const [low, high] = liveRange(range, activation);
  const wide = (2 * range) / shares.length;
  let inside = 0;
  for (let i = 0; i < shares.length; i++) {
    const left = -range + i * wide;
    const overlap = Math.min(left + wide, high) - Math.max(left, low);
    inside += (shares[i] * Math.max(0, overlap)) / wide;
  }
  return inside;
}

/**
 * @param {Cell[]} cells
 * @param {Net} net
 * @param {Probe} probe
 * @param {number} range
 */
export function updateDistributions(cells, net, probe, range) {
  const ends = liveRange(range, net.activation);
  const [low, high] = ends.map((value) => ((value + range) / (2 * range)) * CELL);
  cells.forEach((cell, i) => {
    const normed = net.norms[i] !== "none";
    cell.live.setAttribute("x", String(low));
    cell.live.setAttribute("width", String(high - low));
    cell.upper.setAttribute("d", normed ? histogramPath(probe.before[i], HALF) : "");
    cell.lower.setAttribute("d", histogramPath(probe.after[i], FLOOR));
    cell.note.textContent = normed ? "" : "no norm";
    const alive = shareAlive(probe.after[i], range, net.activation);
    cell.text.textContent = `${Math.round(100 * alive)}% live`;
  });
}

/**
 * Counts of values in bins over start - reach to start + reach; the end bins take the rest.
 * @param {ArrayLike<number>} values
 * @param {number} start
 * @param {number} reach
 * @param {number} bins
 */
export function histogram(values, start, reach, bins) {
  const counts = new Array(bins).fill(0);
  for (const value of Array.from(values)) {
    const bin = Math.floor(((value - start + reach) / (2 * reach)) * bins);
    counts[Math.min(Math.max(bin, 0), bins - 1)] += 1;
  }
  return counts;
}

/**
 * @param {Cell[]} cells
 * @param {Net} net
 * @param {Probe} probe
 * @param {number} reach
 */
export function updateAffine(cells, net, probe, reach) {
  /** @param {ArrayLike<number> | null} values @param {number} start @param {number} base */
  const path = (values, start, base) =>
    values ? histogramPath(histogram(values, start, reach, AFFINE_BINS), base) : "";
  const fixed = FIXED[net.trained === "head" ? "none" : net.affine];
  cells.forEach((cell, i) => {
    const [gamma, beta] = [probe.gamma[i], probe.beta[i]];
    cell.upper.setAttribute("d", path(gamma, 1, HALF));
    cell.lower.setAttribute("d", path(beta, 0, FLOOR));
    cell.note.textContent = gamma ? "" : "no norm";
    cell.text.textContent = gamma ? fixed : "";
  });
}

const RATIO_POWERS = { low: -10, high: 2 };

/**
 * Bias gradient over weight gradient, layer by layer, on a logarithmic axis.
 * @param {Element} svg
 * @param {string[]} layers
 * @param {{ look: Look, label: string, probe: Probe | null }[]} nets
 * @param {number} width
 */
export function drawRatios(svg, layers, nets, width) {
  const row = 26;
  const box = { left: 46, right: width - 14, top: 8, bottom: 8 + row * layers.length };
  const { low, high } = RATIO_POWERS;
  /** @param {number} power */
  const x = (power) => {
    const share = (Math.min(Math.max(power, low), high) - low) / (high - low);
    return box.left + share * (box.right - box.left);
  };
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${box.bottom + 36}`);
  drawPowers(svg, box, x);
  layers.forEach((layer, i) => {
    const middle = box.top + row * (i + 0.5);
    const name = { class: "mute", x: box.left - 8, y: middle + 4, "text-anchor": "end" };
    draw(svg, "text", name, layer);
    draw(svg, "line", { class: "grid", x1: box.left, x2: box.right, y1: middle, y2: middle });
    nets.forEach(({ look, label, probe }, k) => {
      if (!probe) return;
      const at = middle + (k - (nets.length - 1) / 2) * 10;
      const ratio = probe.biasGradientNorm[i] / probe.gradientNorm[i]; // NaN without a bias
      if (Number.isNaN(ratio)) {
        const none = { class: "mute", x: box.right, y: at + 4, "text-anchor": "end" };
        draw(svg, "text", none, `${label}: no bias`);
      } else {
        const marker = markerPath(look.marker, x(Math.log10(ratio)), at);
        draw(svg, "path", { d: marker, fill: look.color });
      }
    });
  });
}

/**
 * The axis of powers of ten.
 * @param {Element} svg
 * @param {{ left: number, right: number, top: number, bottom: number }} box
 * @param {(power: number) => number} x
 */
function drawPowers(svg, box, x) {
  const middle = { class: "mute", "text-anchor": "middle" };
  for (let power = RATIO_POWERS.low; power <= RATIO_POWERS.high; power += 2) {
    draw(svg, "line", { class: "grid", x1: x(power), x2: x(power), y1: box.top, y2: box.bottom });
    const at = { ...middle, x: x(power), y: box.bottom + 16 };
    const label = draw(svg, "text", at, power ? "10" : "1");
    if (power) draw(label, "tspan", { dy: -5, "font-size": 9 }, written(power));
  }
  const title = { ...middle, x: (box.left + box.right) / 2, y: box.bottom + 33 };
  draw(svg, "text", title, "bias gradient / weight gradient");
}
