// The two charts of training: validation accuracy and training loss over epochs.
import { add, drawLabels, markerPath } from "./svg.js";

const MOST_MARKERS = 20;
const TICK_ROOM = 26; // px between the epochs written under a chart
const EPOCH_STRIDES = [1, 2, 5, 10, 25];
const LABEL_ROOM = 24; // px between curves' ends whose labels need not make room for each other
const MARK_ROOM = 44; // px between the captions of two changes of the learning rate

// The accuracy axis is logarithmic in the error: 98 % and 99 % stay apart.
export function accuracyScale(ticks, top) {
  const place = (accuracy) => Math.log(1 - Math.min(accuracy, top)) / Math.log(1 - top);
  return { place, ticks: ticks.map((tick) => [place(tick), Math.round(100 * tick) + " %"]) };
}

// Ticks that enclose the losses from low to high, as far as the axis goes; non-finite leaves a gap.
export function lossScale(ticks, low, high) {
  const inside = (loss) => Math.min(Math.max(loss, ticks[0]), ticks[ticks.length - 1]);
  const first = ticks.slice(0, -1).findLast((tick) => tick <= inside(low));
  const last = ticks.slice(1).find((tick) => tick >= inside(high));
  const shown = ticks.filter((tick) => tick >= first && tick <= Math.max(last, 3 * first));
  const [bottom, top] = [Math.log(shown[0]), Math.log(shown[shown.length - 1])];
  const place = (loss) => (Number.isFinite(loss) ? Math.min(Math.max((Math.log(loss) - bottom) / (top - bottom), 0), 1) : NaN);
  return { place, ticks: shown.map((tick) => [place(tick), String(tick)]) };
}

// Means of equal stretches of steps, at most about as many as a chart is wide: points do not
// move while the run grows, and a hundred thousand steps need no memory.
export function createLosses(total, most, perEpoch) {
  const stretch = Math.ceil(total / most);
  const sums = [];
  const tail = [];
  let count = 0;
  return {
    push(loss) {
      const index = Math.floor(count / stretch);
      sums[index] = (sums[index] || 0) + loss;
      count += 1;
      if (tail.push(loss) > perEpoch) tail.shift();
    },
    // [[step, mean loss], …], each at the middle of its stretch.
    points() {
      const points = sums.map((sum, i) => {
        const steps = Math.min(stretch, count - i * stretch);
        return [i * stretch + steps / 2, sum / steps];
      });
      // A few steps alone would be a jump that the next ones take back.
      const few = count % stretch && 2 * (count % stretch) < stretch && points.length > 1;
      return few ? points.slice(0, -1) : points;
    },
    // Mean over the last epoch.
    recent: () => tail.reduce((a, b) => a + b, 0) / tail.length,
  };
}

function linePath(points, x, y) {
  let path = "";
  let down = false;
  for (const [epoch, value] of points) {
    const height = y(value);
    if (Number.isFinite(height)) path += (down ? "L" : "M") + x(epoch).toFixed(1) + " " + height.toFixed(1);
    down = Number.isFinite(height);
  }
  return path;
}

function bandPath(band, x, y) {
  const known = band.low.map((_, epoch) => epoch).filter((e) => band.low[e] !== null && band.high[e] !== null);
  if (known.length < 2) return "";
  const corner = (values) => (e) => x(e).toFixed(1) + " " + y(values[e]).toFixed(1);
  return "M" + known.map(corner(band.high)).join("L") + "L" + known.reverse().map(corner(band.low)).join("L") + "Z";
}

function drawFrame(svg, box, chart, x, y) {
  for (const [share, text] of chart.scale.ticks) {
    const height = box.bottom - share * (box.bottom - box.top);
    add(svg, "line", { class: "grid", x1: box.left, x2: box.right, y1: height, y2: height });
    add(svg, "text", { class: "mute", x: box.left - 7, y: height + 4, "text-anchor": "end" }, text);
  }
  add(svg, "line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom });
  const stride = EPOCH_STRIDES.find((step) => (step / chart.epochs) * (box.right - box.left) >= TICK_ROOM) || chart.epochs;
  for (let epoch = 0; epoch <= chart.epochs; epoch += stride) {
    add(svg, "text", { class: "mute", x: x(epoch), y: box.bottom + 17, "text-anchor": "middle" }, String(epoch));
  }
  add(svg, "text", { class: "mute", x: (box.left + box.right) / 2, y: box.bottom + 33, "text-anchor": "middle" }, "epoch");
  add(svg, "line", { class: "chance", x1: box.left, x2: box.right, y1: y(chart.guess), y2: y(chart.guess) });
  add(svg, "text", { class: "mute", x: box.right - 2, y: y(chart.guess) - 5, "text-anchor": "end" }, "guessing");
}

function drawMarks(svg, box, marks, x) {
  let free = -Infinity;
  for (const mark of marks) {
    const left = x(mark.epoch);
    add(svg, "line", { class: "mark", x1: left, x2: left, y1: box.top - 4, y2: box.bottom });
    if (left < free) continue;
    const end = left > box.right - MARK_ROOM;
    add(svg, "text", { class: "mark", x: left, y: box.top - 8, "text-anchor": end ? "end" : "middle" }, mark.text);
    free = left + MARK_ROOM;
  }
}

function drawCurve(svg, curve, x, y) {
  const group = add(svg, "g", { "data-curve": curve.label, stroke: curve.look.colour, fill: "none" });
  const thin = curve.thin ? { "stroke-width": 1.3, "stroke-opacity": 0.85 } : { "stroke-width": 2.4 };
  add(group, "path", { d: linePath(curve.points, x, y), "stroke-dasharray": curve.look.dash, "stroke-linejoin": "round", ...thin });
  if (curve.markers) {
    const stride = Math.ceil(curve.points.length / MOST_MARKERS);
    const marked = curve.points.filter(([, value], i) => i % stride === 0 && Number.isFinite(y(value)));
    const path = marked.map(([epoch, value]) => markerPath(curve.look.marker, x(epoch), y(value))).join("");
    add(group, "path", { d: path, fill: curve.look.colour, stroke: "none" });
  }
  const known = curve.points.filter(([, value]) => Number.isFinite(y(value)));
  const end = known[known.length - 1];
  if (end && curve.broken) {
    const [left, height] = [x(end[0]), y(end[1])];
    const cross = "M" + (left - 5) + " " + (height - 5) + "l10 10m0 -10l-10 10";
    add(group, "path", { d: cross, "stroke-width": 2.4 });
  }
  return end ? { text: curve.label, x: x(end[0]), y: y(end[1]) } : null;
}

// Labels stand at the ends of their curves; those of curves that end together keep apart.
function drawEnds(svg, ends, box) {
  const left = ends.sort((a, b) => a.x - b.x);
  while (left.length) {
    const group = left.splice(0, left.findLastIndex((end) => end.x < left[0].x + LABEL_ROOM) + 1);
    drawLabels(svg, group, Math.max(...group.map((end) => end.x)) + 8, box.top, box.bottom);
  }
}

// chart: { epochs, scale, guess, marks: [{ epoch, text }], bands: [{ look, low, high, mean }],
// curves: [{ look, label, points: [[epoch, value]], thin, markers, broken }] }
export function drawChart(svg, chart, width, height) {
  svg.replaceChildren();
  svg.setAttribute("viewBox", "0 0 " + width + " " + height);
  const box = { left: 44, right: width - 30, top: 22, bottom: height - 38 };
  const x = (epoch) => box.left + (epoch / chart.epochs) * (box.right - box.left);
  const y = (value) => box.bottom - chart.scale.place(value) * (box.bottom - box.top);
  drawFrame(svg, box, chart, x, y);
  for (const band of chart.bands) {
    const group = add(svg, "g", { "data-band": band.label, fill: "none", stroke: band.look.colour });
    if (band.low) add(group, "path", { d: bandPath(band, x, y), fill: band.look.colour, "fill-opacity": 0.18, stroke: "none" });
    add(group, "path", { d: linePath(band.mean.map((value, epoch) => [epoch, value === null ? NaN : value]), x, y), "stroke-width": 1.2, "stroke-opacity": 0.75 });
  }
  drawMarks(svg, box, chart.marks, x);
  const ends = chart.curves.map((curve) => drawCurve(svg, curve, x, y)).filter(Boolean);
  drawEnds(svg, ends, box);
}
