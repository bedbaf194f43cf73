// The chart of all labs: curves over epochs, with bands, on an axis of their own scale.
import { draw, drawLabels, markerPath } from "./dom.js";

const MOST_MARKERS = 20;
const TICK_ROOM = 26; // px between the epochs written under a chart
const EPOCH_STRIDES = [1, 2, 5, 10, 25];
const LABEL_ROOM = 24; // px between curves' ends whose labels need not make room for each other
const PLAIN_ROOM = 12; // px to the right of a frame without labels
const MARK_ROOM = 44; // px between the captions of two changes of the learning rate

/** @typedef {(value: number) => number} Place */
/** @typedef {{ place: Place, ticks: [number, string][] }} Scale from values to shares of the height */
/** @typedef {{ left: number, right: number, top: number, bottom: number }} Box */
/** @typedef {[number, number][]} Points [epoch, value]; NaN leaves a gap */
/** @typedef {{ label: string, look: Look, mean?: Course, low?: Course, high?: Course, lines?: Points[] }} DrawnBand by epoch from 0; thin lines */
/** @typedef {import("./run.js").Curve} Curve */
/**
 * @typedef {object} Chart
 * @property {number} epochs
 * @property {Scale} scale
 * @property {number} [guess] the value of a blind guess
 * @property {{ epoch: number, text: string }[]} marks
 * @property {DrawnBand[]} bands
 * @property {Curve[]} curves
 * @property {boolean} [unlabelled] whether the labels of the curves stand elsewhere
 */

/**
 * The accuracy axis is logarithmic in the error: 98% and 99% stay apart.
 * @param {number[]} ticks
 * @param {number} top
 * @returns {Scale}
 */
export function accuracyScale(ticks, top) {
  /** @param {number} accuracy */
  const place = (accuracy) => Math.log(1 - Math.min(accuracy, top)) / Math.log(1 - top);
  return { place, ticks: ticks.map((tick) => [place(tick), `${Math.round(100 * tick)}%`]) };
}

/**
 * Ticks that enclose the losses from low to high, as far as the axis goes; non-finite leaves a gap.
 * @param {number[]} ticks
 * @param {number} low
 * @param {number} high
 * @returns {Scale}
 */
export function lossScale(ticks, low, high) {
  /** @param {number} loss */
  const inside = (loss) => Math.min(Math.max(loss, ticks[0]), ticks[ticks.length - 1]);
  const first = ticks.slice(0, -1).findLast((tick) => tick <= inside(low)) ?? ticks[0];
  const last = ticks.slice(1).find((tick) => tick >= inside(high)) ?? ticks[ticks.length - 1];
  const shown = ticks.filter((tick) => tick >= first && tick <= Math.max(last, 3 * first));
  const [bottom, top] = [Math.log(shown[0]), Math.log(shown[shown.length - 1])];
  /** @param {number} loss */
  const place = (loss) => {
    const share = (Math.log(loss) - bottom) / (top - bottom);
    return Number.isFinite(loss) ? Math.min(Math.max(share, 0), 1) : Number.NaN;
  };
  return { place, ticks: shown.map((tick) => [place(tick), String(tick)]) };
}

/**
 * A line through the points that can be drawn, lifted where one cannot.
 * @param {[number, number][]} points
 * @param {Place} x
 * @param {Place} y
 */
function linePath(points, x, y) {
  let path = "";
  let down = false;
  for (const [epoch, value] of points) {
    const height = y(value);
    if (Number.isFinite(height)) {
      path += `${down ? "L" : "M"}${x(epoch).toFixed(1)} ${height.toFixed(1)}`;
    }
    down = Number.isFinite(height);
  }
  return path;
}

/**
 * The area between two limits, where both are known.
 * @param {Course} low
 * @param {Course} high
 * @param {Place} x
 * @param {Place} y
 */
function bandPath(low, high, x, y) {
  const upper = [];
  const lower = [];
  for (let epoch = 0; epoch < low.length; epoch++) {
    const [from, to] = [low[epoch], high[epoch]];
    if (from === null || to === null) continue;
    upper.push(`${x(epoch).toFixed(1)} ${y(to).toFixed(1)}`);
    lower.unshift(`${x(epoch).toFixed(1)} ${y(from).toFixed(1)}`);
  }
  return upper.length < 2 ? "" : `M${[...upper, ...lower].join("L")}Z`;
}

/**
 * @param {Element} svg
 * @param {Box} box
 * @param {Chart} chart
 * @param {Place} x
 * @param {Place} y
 */
function drawFrame(svg, box, chart, x, y) {
  const { left, right, top, bottom } = box;
  for (const [share, text] of chart.scale.ticks) {
    const at = bottom - share * (bottom - top);
    draw(svg, "line", { class: "grid", x1: left, x2: right, y1: at, y2: at });
    draw(svg, "text", { class: "mute", x: left - 7, y: at + 4, "text-anchor": "end" }, text);
  }
  draw(svg, "line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom });
  const middle = { class: "mute", "text-anchor": "middle" };
  const fits = (/** @type {number} */ step) => (step / chart.epochs) * (right - left) >= TICK_ROOM;
  const stride = EPOCH_STRIDES.find(fits) ?? chart.epochs;
  for (let epoch = 0; epoch <= chart.epochs; epoch += stride) {
    draw(svg, "text", { ...middle, x: x(epoch), y: bottom + 17 }, String(epoch));
  }
  draw(svg, "text", { ...middle, x: (left + right) / 2, y: bottom + 33 }, "epoch");
  if (chart.guess === undefined) return;
  const guess = y(chart.guess);
  draw(svg, "line", { class: "chance", x1: left, x2: right, y1: guess, y2: guess });
}

/**
 * @param {Element} svg
 * @param {Box} box
 * @param {Chart["marks"]} marks
 * @param {Place} x
 */
function drawMarks(svg, box, marks, x) {
  let free = Number.NEGATIVE_INFINITY;
  for (const mark of marks) {
    const left = x(mark.epoch);
    draw(svg, "line", { class: "mark", x1: left, x2: left, y1: box.top - 4, y2: box.bottom });
    if (left < free) continue;
    const anchor = left > box.right - MARK_ROOM ? "end" : "middle";
    draw(svg, "text", { class: "mark", x: left, y: box.top - 8, "text-anchor": anchor }, mark.text);
    free = left + MARK_ROOM;
  }
}

/**
 * @param {Element} svg
 * @param {DrawnBand} band
 * @param {Place} x
 * @param {Place} y
 */
function drawBand(svg, { label, look, mean, low, high, lines = [] }, x, y) {
  const group = draw(svg, "g", { "data-band": label, fill: "none", stroke: look.color });
  if (low && high) {
    const area = { d: bandPath(low, high, x, y), fill: look.color, "fill-opacity": 0.18 };
    draw(group, "path", { ...area, stroke: "none" });
  }
  for (const line of lines) {
    const thin = { d: linePath(line, x, y), "stroke-width": 1, "stroke-opacity": 0.45 };
    draw(group, "path", { ...thin, class: "seed" });
  }
  if (!mean) return;
  /** @type {Points} */
  const points = mean.map((value, epoch) => [epoch, value ?? Number.NaN]);
  draw(group, "path", { d: linePath(points, x, y), "stroke-width": 1.2, "stroke-opacity": 0.75 });
}

/**
 * Draw a curve; return where its label stands.
 * @param {Element} svg
 * @param {Curve} curve
 * @param {Place} x
 * @param {Place} y
 */
function drawCurve(svg, curve, x, y) {
  const { color, dash, marker } = curve.look;
  const group = draw(svg, "g", { "data-curve": curve.label, stroke: color, fill: "none" });
  const pen = curve.thin
    ? { "stroke-width": 1.3, "stroke-opacity": 0.85 }
    : { "stroke-width": 2.4 };
  const line = { d: linePath(curve.points, x, y), "stroke-dasharray": dash };
  draw(group, "path", { ...line, "stroke-linejoin": "round", ...pen });
  const known = curve.points.filter(([, value]) => Number.isFinite(y(value)));
  if (curve.markers) {
    const stride = Math.ceil(curve.points.length / MOST_MARKERS);
    const marks = known
      .filter((point) => curve.points.indexOf(point) % stride === 0)
      .map(([epoch, value]) => markerPath(marker, x(epoch), y(value)));
    draw(group, "path", { d: marks.join(""), fill: color, stroke: "none" });
  }
  const end = known.at(-1);
  if (!end) return null;
  const [left, height] = [x(end[0]), y(end[1])];
  if (curve.broken) {
    const cross = `M${left - 5} ${height - 5}l10 10m0 -10l-10 10`;
    draw(group, "path", { d: cross, "stroke-width": 2.4 });
  }
  return { text: curve.label, x: left, y: height };
}

/**
 * Labels stand at the ends of their curves; those of curves that end together keep apart.
 * @param {Element} svg
 * @param {{ text: string, x: number, y: number }[]} ends
 * @param {Box} box
 */
function drawEnds(svg, ends, box) {
  const left = ends.sort((a, b) => a.x - b.x);
  while (left.length) {
    const until = left.findLastIndex((end) => end.x < left[0].x + LABEL_ROOM) + 1;
    const group = left.splice(0, until);
    drawLabels(svg, group, Math.max(...group.map((end) => end.x)) + 8, box.top, box.bottom);
  }
}

/**
 * How much the labels need to the right of the frame, in px.
 * @param {Element} svg
 * @param {Curve[]} curves
 */
function labelRoom(svg, curves) {
  const widths = curves
    .filter(({ label }) => label.length > 2) // to measure takes time, and "1A" always has room
    .map(({ label }) => {
      const text = draw(svg, "text", { class: "label" }, label);
      const width = text.getComputedTextLength();
      text.remove();
      return width + 20;
    });
  return Math.max(30, ...widths);
}

/**
 * @param {Element} svg
 * @param {Chart} chart
 * @param {[number, number]} size width and height, in px
 */
export function drawChart(svg, chart, [width, height]) {
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const room = chart.unlabelled ? PLAIN_ROOM : labelRoom(svg, chart.curves);
  // On a phone, long names would leave no room for the curves; they stand beside the chart, too.
  const bare = room > width / 3;
  const box = { left: 44, right: width - (bare ? PLAIN_ROOM : room), top: 22, bottom: height - 38 };
  /** @type {Place} */
  const x = (epoch) => box.left + (epoch / chart.epochs) * (box.right - box.left);
  /** @type {Place} */
  const y = (value) => box.bottom - chart.scale.place(value) * (box.bottom - box.top);
  drawFrame(svg, box, chart, x, y);
  for (const band of chart.bands) drawBand(svg, band, x, y);
  drawMarks(svg, box, chart.marks, x);
  const ends = chart.curves.map((curve) => drawCurve(svg, curve, x, y));
  if (chart.guess !== undefined) {
    // Over the curves, which it may meet.
    const caption = { class: "mute", x: box.right - 2, y: y(chart.guess) - 5 };
    draw(svg, "text", { ...caption, "text-anchor": "end" }, "guessing");
  }
  const known = ends.filter((end) => end !== null);
  if (!chart.unlabelled && !bare) drawEnds(svg, known, box);
}
