// Everything of a run that is seen: the words about it, the charts, the layers, the tables.
import { buildStrip, drawRatios, updateAffine, updateDistributions } from "./panels.js";
import { accuracyScale, drawChart, lossScale } from "./plots.js";
import { LETTERS, curveOf, storyOf } from "./run.js";
import { addHtml, addSwatch, thousands } from "./svg.js";
import { fillCurves, fillLayers, fillTimes } from "./tables.js";

const REDRAW_AFTER = 100; // ms
const GUESSING = { accuracy: 0.1, loss: Math.log(10) };
const LOSS_SPAN = [0.3, 3]; // what the loss axis shows at least
const AFFINE_REACH = 3;
const HALVES = { sigmoid: "into sigmoid", relu: "into ReLU" };

// A band up to the end of the axis; it may have been recorded for longer.
function cutAt(band, epochs) {
  const cut = (values) => values.slice(0, epochs + 1);
  return { ...band, mean: cut(band.mean), low: cut(band.low), high: cut(band.high), loss: cut(band.loss) };
}

// "look" returns what to draw: { run, state, setting }, the setting being that of the bands.
export function createView(root, data, { settings, bands, kept }, look) {
  const find = (selector) => root.querySelector(selector);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const sizes = {};
  let strips = null;
  let drawnAt = 0;
  let waiting = 0;

  // While a run goes on: at most ten times a second; once, where the reader wants no motion.
  // In two frames, so that neither keeps the page's thread for long.
  function drawSoon() {
    if (waiting) return;
    const gap = calm.matches ? 10 * REDRAW_AFTER : REDRAW_AFTER;
    waiting = setTimeout(() => requestAnimationFrame(() => {
      drawCurves();
      requestAnimationFrame(drawLayers);
    }), Math.max(0, drawnAt + gap - performance.now()));
  }

  function draw() {
    drawCurves();
    drawLayers();
  }

  function drawCurves() {
    clearTimeout(waiting);
    waiting = 0;
    drawnAt = performance.now();
    const { run, state, setting } = look();
    const recorded = recordedOf(setting);
    const story = drawStory(run, recorded);
    drawCharts(run, setting, recorded, story);
    if (run) drawProgress(run, state);
    if (find(".current").open) fillCurves(find(".current .scroll"), run, recorded);
  }

  function recordedOf(setting) {
    return bands.of(setting).map((cell, i) => cell && { ...cell, label: LETTERS[i], look: data.looks[i] }).filter(Boolean);
  }

  function drawLayers() {
    const { run } = look();
    drawStrips(run);
    if (find(".layers").open) fillLayers(find(".layers .scroll"), run, data.range);
  }

  function drawCharts(run, setting, found, story) {
    const epochs = Math.max(run ? run.setting.epochs : setting.epochs, kept.epochs());
    const recorded = found.map((band) => cutAt(band, epochs));
    const own = run && run.perEpoch ? run.nets : [];
    const curves = (which) => [...kept.curves(which), ...own.map((one) => curveOf(run, one, which))];
    const [accuracies, losses] = [curves("accuracy"), curves("loss")];
    const finite = (values) => values.filter((value) => value !== null && Number.isFinite(value));
    const values = (list, ofBand) => finite([...recorded.flatMap(ofBand), ...list.flatMap((curve) => curve.points.map((point) => point[1]))]);
    const best = Math.max(data.top, ...values(accuracies, (band) => band.mean));
    const seen = [...LOSS_SPAN, ...values(losses, (band) => band.loss)];
    const chart = {
      epochs,
      marks: own.length ? run.setting.changes.map((one) => ({ epoch: one.step / run.perEpoch, text: "lr " + one.lr })) : [],
    };
    drawChart(find(".accuracy svg"), {
      ...chart,
      guess: GUESSING.accuracy,
      scale: accuracyScale(data.accuracy_ticks, Math.min(best, data.perfect)),
      bands: recorded,
      curves: accuracies,
    }, ...sizeOf(".accuracy svg"));
    drawChart(find(".loss svg"), {
      ...chart,
      guess: GUESSING.loss,
      scale: lossScale(data.loss_ticks, Math.min(...seen), Math.max(...seen)),
      bands: recorded.map((band) => ({ ...band, low: null, mean: band.loss })),
      curves: losses,
    }, ...sizeOf(".loss svg"));
    find(".accuracy svg").setAttribute("aria-label", "Validation accuracy by epoch. " + story);
  }

  // Sizes change with the window alone: reading them in every frame would force a layout.
  function sizeOf(selector) {
    return (sizes[selector] ||= [find(selector).clientWidth || 400, find(selector).clientHeight || 260]);
  }

  function drawStory(run, recorded) {
    const nets = (run ? run.setting : settings.read()).nets;
    const lines = find(".story");
    if (lines.querySelectorAll(".swatch").length !== nets.length) {
      lines.replaceChildren();
      nets.forEach((_, i) => {
        const line = addHtml(lines, "p", "");
        addSwatch(line, data.looks[i]);
        addHtml(line, "strong", "");
        addHtml(line, "span", "");
      });
    }
    nets.forEach((net, i) => {
      const [name, words] = lines.children[i].querySelectorAll("strong, span");
      name.textContent = LETTERS[i] + " · " + settings.name(net);
      const text = run ? tell(run, run.nets[i]) : bands.inWords(recorded.find((band) => band.label === LETTERS[i]));
      words.textContent = text.replaceAll(" %", "\u00a0%");
    });
    return [...lines.children].map((line) => line.lastChild.textContent).join(" ");
  }

  // What happened to a net. Milestones are announced once; every step would be noise.
  function tell(run, one) {
    const { kind, text } = storyOf(run, one);
    if (one.told !== kind && !["waiting", "learning"].includes(kind)) announce(one.label + ", " + one.name + ": " + text + ".");
    one.told = kind;
    return (text || "Starting") + ".";
  }

  function announce(text) {
    find(".announcer").textContent = text;
  }

  function drawProgress(run, state) {
    find("progress").value = run.total ? run.step / run.total : 0;
    if (!run.total || state === "failed") return;
    const pace = run.speed ? " · " + thousands(run.speed) + " images per second" : "";
    const away = state === "hidden" ? " · paused while the tab is hidden" : "";
    find(".status").textContent = "Step " + thousands(run.step) + " of " + thousands(run.total) + " · epoch " + (run.step / run.perEpoch).toFixed(1) + " of " + run.setting.epochs + pace + away;
  }

  function drawStrips(run) {
    const probed = run ? run.nets.filter((one) => one.probe) : [];
    find(".strips").hidden = !probed.length;
    if (!probed.length) return;
    if (!strips || strips.run !== run) strips = buildStrips(run);
    for (const one of probed) {
      if (strips.drawn.get(one) === one.probe) continue;
      strips.drawn.set(one, one.probe);
      strips.stale = true;
      const i = run.nets.indexOf(one);
      updateDistributions(strips.layers[i], one.net, one.probe, data.range);
      if (strips.affine) updateAffine(strips.affine[i], one.net, one.probe, AFFINE_REACH);
    }
    if (strips.stale && data.watch === "bias gradients") drawRatios(find(".watch svg"), probed, sizeOf(".watch svg")[0]);
    if (strips.stale && data.watch === "time") fillTimes(find(".watch .scroll"), run);
    strips.stale = false;
  }

  function buildStrips(run) {
    const rows = (halvesOf) => run.nets.map((one) => ({ ...one, halves: halvesOf(one.net) }));
    const ends = ["\u2212" + data.range, "0", String(data.range)];
    return {
      run,
      drawn: new Map(), // net → the probe that is drawn
      stale: true,
      layers: buildStrip(find(".inside .strip"), rows((net) => ["before norm", HALVES[net.activation]]), ends),
      affine: data.watch === "gamma and beta" ? buildStrip(find(".watch .strip"), rows(() => ["gamma", "beta"]), []) : null,
    };
  }

  // On paper every table is open.
  function fillForPaper() {
    const { run, setting } = look();
    fillCurves(find(".current .scroll"), run, recordedOf(setting));
    fillLayers(find(".layers .scroll"), run, data.range);
  }

  root.querySelectorAll("details").forEach((one) => one.addEventListener("toggle", draw));
  addEventListener("beforeprint", fillForPaper);
  new ResizeObserver(() => {
    for (const name of Object.keys(sizes)) delete sizes[name];
    if (strips) strips.stale = true;
    draw();
  }).observe(find(".charts"));
  return { draw, drawSoon, announce, calm };
}
