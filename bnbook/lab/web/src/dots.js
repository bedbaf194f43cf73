// A dot for each run of an experiment, and a line from dot to dot of the same seed.
import { draw, markerPath } from "./dom.js";
import { present, tally } from "./verdict.js";

/** @typedef {import("./verdict.js").Cell} Cell */
/** @typedef {import("./plots.js").Scale} Scale */

const LEFT = 44;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 38;

/**
 * @param {Element} svg
 * @param {{ cells: Cell[], looks: Look[], letters: string, scale: Scale }} picture
 * @param {[number, number]} size width and height, in px
 */
export function drawDots(svg, { cells, looks, letters, scale }, [width, height]) {
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const bottom = height - BOTTOM;
  /** @param {number} accuracy */
  const y = (accuracy) => bottom - scale.place(accuracy) * (bottom - TOP);
  for (const [share, text] of scale.ticks) {
    const at = bottom - share * (bottom - TOP);
    draw(svg, "line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: at, y2: at });
    draw(svg, "text", { class: "mute", x: LEFT - 7, y: at + 4, "text-anchor": "end" }, text);
  }
  draw(svg, "line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: bottom, y2: bottom });
  const rates = [...new Set(cells.map((cell) => cell.rate))];
  const each = (width - LEFT - RIGHT) / rates.length;
  for (const rate of rates) {
    const here = cells.filter((cell) => cell.rate === rate);
    /** @param {number} net */
    const x = (net) => LEFT + each * (rate + (net + 0.5) / here.length);
    const text = rates.length > 1 ? String(here[0].lr) : "";
    drawPairs(svg, here, x, y);
    here.forEach((cell, i) => {
      drawCell(svg, cell, looks[i], x(i), y);
      if (!text) drawName(svg, letters[i], x(i), bottom + 17);
    });
    if (text) drawName(svg, text, LEFT + each * (rate + 0.5), bottom + 17);
  }
  if (rates.length > 1) drawName(svg, "learning rate", (LEFT + width - RIGHT) / 2, bottom + 33);
}

/**
 * @param {Element} svg
 * @param {string} text
 * @param {number} x
 * @param {number} y
 */
function drawName(svg, text, x, y) {
  draw(svg, "text", { class: "mute", x, y, "text-anchor": "middle" }, text);
}

/**
 * @param {Element} svg
 * @param {Cell[]} cells
 * @param {(net: number) => number} x
 * @param {(accuracy: number) => number} y
 */
function drawPairs(svg, cells, x, y) {
  let path = "";
  cells[0].runs.forEach((_, seed) => {
    cells.slice(1).forEach(({ runs }, i) => {
      const [from, to] = [cells[i].runs[seed], runs[seed]];
      if (!from || !to) return;
      path += `M${x(i).toFixed(1)} ${y(from.accuracy).toFixed(1)}`;
      path += `L${x(i + 1).toFixed(1)} ${y(to.accuracy).toFixed(1)}`;
    });
  });
  draw(svg, "path", { class: "pairs", d: path });
}

/**
 * A net's runs: filled where they trained, hollow where not, a cross where the loss was no number;
 * and a dash at the median.
 * @param {Element} svg
 * @param {Cell} cell
 * @param {Look} look
 * @param {number} x
 * @param {(accuracy: number) => number} y
 */
function drawCell(svg, cell, look, x, y) {
  const group = draw(svg, "g", { class: "dots", stroke: look.color, fill: look.color });
  for (const { accuracy, outcome, trained, seed } of present(cell)) {
    const at = y(accuracy);
    const cross = `M${(x - 4).toFixed(1)} ${(at - 4).toFixed(1)}l8 8m0 -8l-8 8`;
    const d = outcome === "non-finite" ? cross : markerPath(look.marker, x, at);
    const fill = trained ? look.color : "none";
    draw(group, "path", { d, fill, "data-seed": seed });
  }
  const { median } = tally(cell);
  if (!Number.isFinite(median)) return;
  draw(group, "line", { class: "median", x1: x - 13, x2: x + 13, y1: y(median), y2: y(median) });
}
