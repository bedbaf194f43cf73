// The recorded lab. It draws what Python computed; it computes no statistics of its own.
import { add, addHtml, addSwatch, drawLabels, drawSwatch, markerPath, percent } from "./svg.js";

const CHANCE = 0.1;
const ANNOUNCE_AFTER = 500; // ms: a dragged slider speaks once, when it rests

// The recorded grid point nearest to the wanted one: batch size first, then learning rate.
function snap(data, arm, batch, lr) {
  const far = (values, i, j) => Math.abs(Math.log(values[i] / values[j]));
  let best = null;
  data.cells[arm].forEach((row, b) => row.forEach((cell, r) => {
    if (!cell) return;
    const distance = 1000 * far(data.batch_sizes, b, batch) + far(data.lrs, r, lr);
    if (!best || distance < best.distance) best = { cell, b, r, distance };
  }));
  return best;
}

// A path through the values that exist, lifted where one is missing.
function linePath(values, x, y) {
  let path = "";
  let down = false;
  values.forEach((value, i) => {
    if (value === null) { down = false; return; }
    path += (down ? "L" : "M") + x(i).toFixed(1) + " " + y(value).toFixed(1);
    down = true;
  });
  return path;
}

function bandPath(low, high, x, y) {
  const known = low.map((_, i) => i).filter((i) => low[i] !== null && high[i] !== null);
  if (known.length < 2) return "";
  const corner = (values) => (i) => x(i).toFixed(1) + " " + y(values[i]).toFixed(1);
  return "M" + known.map(corner(high)).join("L") + "L" + known.reverse().map(corner(low)).join("L") + "Z";
}

function drawArm(parent, arm, mean, band, seeds, x, y) {
  const group = add(parent, "g", { "data-arm": arm.label, stroke: arm.colour, fill: "none" });
  if (band) add(group, "path", { class: "band", d: bandPath(band.low, band.high, x, y), fill: arm.colour, "fill-opacity": 0.2, stroke: "none" });
  for (const seed of seeds) add(group, "path", { class: "seed", d: linePath(seed, x, y), "stroke-width": 1, "stroke-opacity": 0.45 });
  add(group, "path", { class: "mean", d: linePath(mean, x, y), "stroke-width": 2.4, "stroke-dasharray": arm.dash, "stroke-linejoin": "round" });
  mean.forEach((value, i) => {
    if (value !== null) add(group, "path", { d: markerPath(arm.marker, x(i), y(value)), fill: arm.colour, stroke: "none" });
  });
}

// Draw the axes; return where the i-th of the evaluated epochs stands.
function drawFrame(svg, at, ticks, format, y, box) {
  const epochs = at.at(-1);
  const x = (epoch) => box.left + (epoch / epochs) * (box.right - box.left);
  for (const tick of ticks) {
    add(svg, "line", { class: "grid", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) });
    add(svg, "text", { class: "mute", x: box.left - 7, y: y(tick) + 4, "text-anchor": "end" }, format(tick));
  }
  add(svg, "line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom });
  const step = Math.ceil(epochs / 10);
  for (let epoch = 0; epoch <= epochs; epoch += step) {
    add(svg, "text", { class: "mute", x: x(epoch), y: box.bottom + 17, "text-anchor": "middle" }, String(epoch));
  }
  add(svg, "text", { class: "mute", x: (box.left + box.right) / 2, y: box.bottom + 34, "text-anchor": "middle" }, "epoch");
  return (i) => x(at[i]);
}

function prepare(svg, labels) {
  svg.replaceChildren();
  const widths = labels.map((text) => {
    const probe = add(svg, "text", { class: "label" }, text);
    const width = probe.getComputedTextLength();
    probe.remove();
    return width + 10;
  });
  const width = svg.clientWidth || 480;
  const height = svg.clientHeight || 270;
  svg.setAttribute("viewBox", "0 0 " + width + " " + height);
  return { left: 46, right: width - 12 - Math.max(0, ...widths), top: 10, bottom: height - 40 };
}

function drawAccuracy(svg, data, shown) {
  const box = prepare(svg, shown.map((s) => s.arm.label));
  const depth = (value) => -Math.log10(1 - Math.min(value, data.best));
  const y = (value) => box.bottom - (depth(value) / depth(data.best)) * (box.bottom - box.top);
  const x = drawFrame(svg, data.at, data.accuracy_ticks, (t) => Math.round(100 * t) + " %", y, box);
  add(svg, "line", { class: "chance", x1: box.left, x2: box.right, y1: y(CHANCE), y2: y(CHANCE) });
  add(svg, "text", { class: "mute", x: box.right - 4, y: y(CHANCE) - 5, "text-anchor": "end" }, "guessing");
  for (const s of shown) drawArm(svg, s.arm, s.cell.mean, s.cell, s.cell.seeds, x, y);
  const ends = shown.map((s) => ({ text: s.arm.label, y: y(s.cell.mean.at(-1)) }));
  drawLabels(svg, ends, box.right + 10, box.top, box.bottom);
}

function drawLoss(svg, data, shown) {
  const box = prepare(svg, []);
  const ticks = data.loss_ticks;
  const [low, high] = [Math.log(ticks[0]), Math.log(ticks.at(-1))];
  const share = (value) => (Math.min(Math.max(Math.log(value), low), high) - low) / (high - low);
  const y = (value) => box.bottom - share(value) * (box.bottom - box.top);
  const x = drawFrame(svg, data.at, ticks, String, y, box);
  for (const s of shown) drawArm(svg, s.arm, s.cell.loss, null, s.cell.losses, x, y);
}

function fillTable(holder, data, shown) {
  holder.replaceChildren();
  const table = addHtml(holder, "table", "");
  const top = addHtml(addHtml(table, "thead", ""), "tr", "");
  addHtml(top, "th", "Epoch", { scope: "col" });
  for (const s of shown) {
    addHtml(top, "th", s.arm.label + ": accuracy", { scope: "col" });
    addHtml(top, "th", "loss", { scope: "col" });
  }
  const body = addHtml(table, "tbody", "");
  data.at.forEach((epoch, i) => {
    const row = addHtml(body, "tr", "");
    addHtml(row, "th", String(epoch), { scope: "row" });
    for (const { cell } of shown) {
      const bounds = cell.low[i] === null ? "" : " [" + (100 * cell.low[i]).toFixed(1) + ", " + (100 * cell.high[i]).toFixed(1) + "]";
      const known = cell.mean[i] !== null;
      addHtml(row, "td", known ? percent(cell.mean[i]) + bounds : "–");
      addHtml(row, "td", cell.loss[i] ? String(cell.loss[i]) : "–");
    }
  });
}

function start(root) {
  const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const find = (selector) => root.querySelector(selector);
  const sliders = { lr: find("input[name=lr]"), batch: find("input[name=batch]") };
  const values = { lr: data.lrs, batch: data.batch_sizes };
  const boxes = [...root.querySelectorAll("input[name=arm]")];
  let timer = 0;
  let shown = [];

  function draw() {
    drawAccuracy(find(".accuracy svg"), data, shown);
    drawLoss(find(".loss svg"), data, shown);
  }

  function update(speak) {
    for (const [name, slider] of Object.entries(sliders)) {
      const value = String(values[name][slider.value]);
      slider.setAttribute("aria-valuetext", value);
      slider.parentNode.querySelector("output").textContent = value;
    }
    const [lr, batch] = [Number(sliders.lr.value), Number(sliders.batch.value)];
    shown = boxes.filter((box) => box.checked).map((box) => ({ arm: data.arms[box.value], ...snap(data, box.value, batch, lr) }));
    const summary = find(".summary");
    summary.replaceChildren();
    if (!shown.length) addHtml(summary, "p", "Tick a box to see its curve.");
    for (const s of shown) {
      const line = addHtml(summary, "p", "");
      addSwatch(line, s.arm);
      addHtml(line, "strong", s.arm.label + ": ");
      line.append(s.cell.text + ".");
      if (s.distance) addHtml(line, "span", " There are no runs at learning rate " + data.lrs[lr] + " and batch size " + data.batch_sizes[batch] + "; these are the nearest recorded, learning rate " + data.lrs[s.r] + " and batch size " + data.batch_sizes[s.b] + ".", { class: "note" });
    }
    const setting = "Learning rate " + data.lrs[lr] + ", batch size " + data.batch_sizes[batch] + ". ";
    const said = [...summary.children].map((line) => line.textContent).join(" ");
    find(".accuracy svg").setAttribute("aria-label", "Validation accuracy per epoch. " + setting + said);
    find(".loss svg").setAttribute("aria-label", "Training loss per epoch. " + setting + "The numbers are in the table below.");
    fillTable(find(".current .scroll"), data, shown);
    draw();
    clearTimeout(timer);
    if (speak) timer = setTimeout(() => { find(".announcer").textContent = setting + said; }, ANNOUNCE_AFTER);
  }

  boxes.forEach((box, i) => drawSwatch(box.parentNode.querySelector(".swatch"), data.arms[i]));
  root.dataset.ready = "";
  root.querySelector(".controls").addEventListener("input", () => update(true));
  new ResizeObserver(draw).observe(find(".charts"));
  update(false);
}

// An output can be shown twice, as in JupyterLab's "New View for Output": then so is its id.
document.querySelectorAll("#ROOT_ID:not([data-ready])").forEach(start);
