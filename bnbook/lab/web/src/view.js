// Everything of a run that is seen: the words about it, the charts, the layers, the tables.
import { copyText } from "./clipboard.js";
import { find, h, sizeOf, swatch } from "./dom.js";
import { fillMistakes } from "./mistakes.js";
import { thousands, written } from "./numbers.js";
import { buildStrip, drawRatios, updateAffine, updateDistributions } from "./panels.js";
import { accuracyScale, drawChart, lossScale } from "./plots.js";
import { pytorchScript } from "./pytorch.js";
import { LETTERS } from "./run.js";
import { CHANCE, GUESS } from "./statistics.js";
import { fillContrast, fillCurves, fillLayers, fillTimes } from "./tables.js";
import { build } from "./view_markup.js";

const REDRAW_AFTER = 100; // ms
const LOSS_SPAN = [0.3, 3]; // what the loss axis shows at least
const AFFINE_REACH = 3;
const HALVES = { sigmoid: "into sigmoid", relu: "into ReLU" };
const UNREMARKED = ["waiting", "learning"];

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./run.js").RunningNet} RunningNet */
/** @typedef {import("./tables.js").LabelledBand & { look: Look }} ShownBand */
/** @typedef {import("./panels.js").Cell} Cell */
/**
 * @typedef {object} Strips the drawn cells, by net and layer
 * @property {Run} run
 * @property {Map<RunningNet, Probe>} drawn
 * @property {boolean} stale
 * @property {Cell[][]} layers
 * @property {Cell[][] | null} affine
 */

/**
 * A band up to the end of the axis; it may have been recorded for longer.
 * @param {ShownBand} band
 * @param {number} epochs
 */
function cutAt(band, epochs) {
  /** @param {(number | null)[]} values */
  const cut = (values) => values.slice(0, epochs + 1);
  const { mean, low, high, loss } = band;
  return { ...band, mean: cut(mean), low: cut(low), high: cut(high), loss: cut(loss) };
}

/**
 * Code to be copied: the button says when it has been.
 * @param {Element} holder
 * @param {string} text
 */
function fillCode(holder, text) {
  if (holder.querySelector("code")?.textContent === text) return;
  const copy = h("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    const copied = await copyText(text);
    copy.textContent = copied ? "Copied" : "Select the code and copy it";
  });
  holder.replaceChildren(copy, h("pre", {}, h("code", {}, text)));
}

/** @param {(number | null)[]} values */
function finite(values) {
  return values.filter((value) => value !== null && Number.isFinite(value)).map(Number);
}

export class View {
  /**
   * @param {import("./lab.js").Lab} lab
   */
  constructor(lab) {
    this.lab = lab;
    this.data = lab.data;
    this.parts = build(this.data, lab.kept.holder);
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    /** @type {Map<Element, [number, number]>} */
    this.sizes = new Map();
    /** @type {Strips | null} */
    this.strips = null;
    this.drawnAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.waiting = undefined;
    this.fillForPaper = this.fillForPaper.bind(this);
    this.watch();
  }

  watch() {
    const { current, layers, mistakes, script, charts } = this.parts;
    for (const one of [current, layers, mistakes, script])
      one.addEventListener("toggle", () => this.draw());
    addEventListener("beforeprint", this.fillForPaper);
    this.resizing = new ResizeObserver(() => {
      this.sizes.clear();
      if (this.strips) this.strips.stale = true;
      this.draw();
    });
    this.resizing.observe(charts);
  }

  unmount() {
    clearTimeout(this.waiting);
    this.resizing?.disconnect();
    removeEventListener("beforeprint", this.fillForPaper);
  }

  /**
   * While a run goes on: at most ten times a second; once, where the reader wants no motion.
   * In two frames, so that neither keeps the page's thread for long.
   */
  drawSoon() {
    if (this.waiting) return;
    const gap = this.calm.matches ? 10 * REDRAW_AFTER : REDRAW_AFTER;
    const frames = () =>
      requestAnimationFrame(() => {
        this.drawCurves();
        requestAnimationFrame(() => this.drawLayers());
      });
    this.waiting = setTimeout(frames, Math.max(0, this.drawnAt + gap - performance.now()));
  }

  draw() {
    this.drawCurves();
    this.drawLayers();
  }

  drawCurves() {
    clearTimeout(this.waiting);
    this.waiting = undefined;
    this.drawnAt = performance.now();
    const { run } = this.lab;
    const recorded = this.recorded();
    const story = this.drawStory(recorded);
    this.drawCharts(recorded, story);
    if (run) this.drawProgress(run);
    if (this.parts.current.open) this.fillCurves(recorded);
    if (this.parts.script.open) this.fillScript();
  }

  /** @returns {ShownBand[]} */
  recorded() {
    return this.lab.bands
      .of(this.lab.shownSetting())
      .map((cell, i) => cell && { ...cell, label: LETTERS[i], look: this.data.looks[i] })
      .filter((band) => band !== null);
  }

  /** @param {ShownBand[]} recorded */
  fillCurves(recorded) {
    fillCurves(find(this.parts.current, ".scroll"), this.lab.run, recorded);
  }

  drawLayers() {
    this.drawStrips();
    if (this.parts.layers.open) this.fillLayers();
    if (this.parts.mistakes.open) fillMistakes(find(this.parts.mistakes, ".scroll"), this.lab.run);
  }

  fillScript() {
    const { run, controls, bar, host } = this.lab;
    const setting = run?.setting ?? controls.read();
    const names = setting.nets.map((net) => controls.name(net));
    const text = pytorchScript(setting, names, host.model ? "" : bar.link.href);
    fillCode(find(this.parts.script, ".scroll"), text);
  }

  fillLayers() {
    const holder = find(this.parts.layers, ".scroll");
    fillLayers(holder, this.lab.run, this.data.layers, this.data.range);
  }

  /** On paper every table is open. */
  fillForPaper() {
    this.fillCurves(this.recorded());
    this.fillLayers();
  }

  /**
   * @param {ShownBand[]} found
   * @param {string} story
   */
  drawCharts(found, story) {
    const { run, kept } = this.lab;
    const { accuracy, loss } = this.parts;
    const epochs = Math.max((run?.setting ?? this.lab.shownSetting()).epochs, kept.epochs);
    const bands = found.map((band) => cutAt(band, epochs));
    const own = run?.isReady ? run : null;
    /** @param {"accuracy" | "loss"} which */
    const curves = (which) => {
      const live = own ? own.nets.map((one) => own.curveOf(one, which)) : [];
      return [...kept.curves(which), ...live];
    };
    const marks = (own?.setting.changes ?? []).map(({ step, lr }) => {
      return { epoch: step / (own?.perEpoch ?? 1), text: `lr ${lr}` };
    });
    const accuracies = [...curves("accuracy"), ...this.runningCurves(own)];
    const scale = this.accuracyScale(accuracies, bands);
    const first = { epochs, marks, guess: CHANCE, scale, bands, curves: accuracies };
    drawChart(accuracy, first, this.sizeOf(accuracy));
    const losses = curves("loss");
    drawChart(
      loss,
      {
        ...{ epochs, marks, guess: GUESS, curves: losses },
        scale: this.lossScale(losses, bands),
        bands: bands.map(({ label, look, loss: mean }) => ({ label, look, mean })),
      },
      this.sizeOf(loss),
    );
    accuracy.setAttribute("aria-label", `Validation accuracy by epoch. ${story}`);
  }

  /**
   * The same nets with running statistics, where the chapter is about them.
   * @param {Run | null} run
   */
  runningCurves(run) {
    if (!run || this.data.watch !== "running statistics") return [];
    return run.nets.map((one) => {
      return { ...run.curveOf(one, "running"), label: `${one.label}, running`, thin: true };
    });
  }

  /**
   * @param {import("./run.js").Curve[]} curves
   * @param {Band[]} bands
   */
  accuracyScale(curves, bands) {
    const { top, perfect, accuracy_ticks } = this.data;
    const values = curves.flatMap((curve) => curve.points.map((point) => point[1]));
    const best = Math.max(top, ...finite([...values, ...bands.flatMap((band) => band.mean)]));
    return accuracyScale(accuracy_ticks, Math.min(best, perfect));
  }

  /**
   * @param {import("./run.js").Curve[]} curves
   * @param {Band[]} bands
   */
  lossScale(curves, bands) {
    const values = curves.flatMap((curve) => curve.points.map((point) => point[1]));
    const seen = [...LOSS_SPAN, ...finite([...values, ...bands.flatMap((band) => band.loss)])];
    return lossScale(this.data.loss_ticks, Math.min(...seen), Math.max(...seen));
  }

  /**
   * Sizes change with the window alone: reading them in every frame would force a layout.
   * @param {Element} svg
   * @returns {[number, number]}
   */
  sizeOf(svg) {
    const size = this.sizes.get(svg) ?? sizeOf(svg);
    this.sizes.set(svg, size);
    return size;
  }

  /**
   * Tell what happened to each net, and return it as one text.
   * @param {ShownBand[]} recorded
   */
  drawStory(recorded) {
    const { run, controls, bands } = this.lab;
    const nets = (run?.setting ?? controls.read()).nets;
    const holder = this.parts.story;
    if (holder.children.length !== nets.length) {
      const line = (/** @type {Look} */ look) => h("p", {}, swatch(look), h("strong"), h("span"));
      holder.replaceChildren(...nets.map((_, i) => line(this.data.looks[i])));
    }
    /** @type {string[]} */
    const news = [];
    const texts = nets.map((_, i) => {
      if (run) return this.tell(run, run.nets[i], news);
      return bands.inWords(recorded.find((band) => band.label === LETTERS[i]));
    });
    if (news.length) this.announce(news.join(" "));
    nets.forEach((net, i) => {
      find(holder.children[i], "strong").textContent = `${LETTERS[i]} · ${controls.name(net)}`;
      find(holder.children[i], "span").textContent = texts[i];
    });
    return texts.join(" ");
  }

  /**
   * What happened to a net. Milestones are news once; every step would be noise.
   * @param {Run} run
   * @param {RunningNet} one
   * @param {string[]} news
   */
  tell(run, one, news) {
    const { kind, text } = run.storyOf(one);
    if (one.told !== kind && !UNREMARKED.includes(kind)) {
      news.push(`${one.label}, ${one.name}: ${text}.`);
    }
    one.told = kind;
    return `${text || "Starting"}.`;
  }

  /** @param {string} text */
  announce(text) {
    this.parts.announcer.textContent = text;
  }

  /** @param {string} text */
  say(text) {
    this.parts.status.textContent = text;
  }

  /** @param {Run} run */
  drawProgress(run) {
    this.parts.progress.value = run.isReady ? run.step / run.total : 0;
    if (!run.isReady || this.lab.state === "failed") return;
    const epoch = (run.step / run.perEpoch).toFixed(1);
    const words = [
      `Step ${thousands(run.step)} of ${thousands(run.total)}`,
      `epoch ${epoch} of ${run.setting.epochs}`,
    ];
    if (run.speed) words.push(`${thousands(run.speed)} images per second`);
    if (this.lab.state === "hidden") words.push("paused while the tab is hidden");
    this.say(words.join(" · "));
  }

  drawStrips() {
    const { run } = this.lab;
    const { range, layers, watch } = this.data;
    const probed = run ? run.nets.filter((one) => one.probe) : [];
    this.parts.strips.hidden = !probed.length;
    if (!run || !probed.length) return;
    if (this.strips?.run !== run) this.strips = this.buildStrips(run);
    const { strips } = this;
    run.nets.forEach((one, i) => {
      if (!one.probe || strips.drawn.get(one) === one.probe) return;
      strips.drawn.set(one, one.probe);
      strips.stale = true;
      updateDistributions(strips.layers[i], one.net, one.probe, range);
      if (strips.affine) updateAffine(strips.affine[i], one.net, one.probe, AFFINE_REACH);
    });
    const watched = this.parts.watched;
    if (strips.stale && watch === "bias gradients") {
      drawRatios(watched, [...layers, "out"], probed, this.sizeOf(watched)[0]);
    }
    if (strips.stale && watch === "time") fillTimes(watched, run);
    if (strips.stale && watch === "contrast") fillContrast(watched, run, layers);
    strips.stale = false;
  }

  /**
   * @param {Run} run
   * @returns {Strips}
   */
  buildStrips(run) {
    const { layers, range, watch } = this.data;
    /** @param {(net: Net) => string[]} halves */
    const rows = (halves) =>
      run.nets.map(({ look, label, net }) => ({ look, label, halves: halves(net) }));
    const ends = [written(-range), "0", String(range)];
    const distributions = rows((net) => ["before norm", HALVES[net.activation]]);
    const affine = watch === "gamma and beta" ? rows(() => ["gamma", "beta"]) : null;
    return {
      run,
      drawn: new Map(),
      stale: true,
      layers: buildStrip(this.parts.distributions, layers, distributions, ends),
      affine: affine && buildStrip(this.parts.watched, layers, affine, []),
    };
  }
}
