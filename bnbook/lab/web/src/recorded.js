// Sliders over runs that were trained beforehand. What is drawn and said of them Python computed.
import { draw, find, h, sizeOf, spoken, swatch } from "./dom.js";
import { capital } from "./names.js";
import { drawChart } from "./plots.js";
import { accuracyChart, Choice, curvesTable, lossChart, settingsTable } from "./recorded_runs.js";
import { slider, tell } from "./slider.js";
import { fillTable, folded, scrolling } from "./tables.js";

const ANNOUNCE_AFTER = 500; // ms: a dragged slider speaks once, when it rests
const MOST_TICKS = 9; // more labels under a slider would run into each other on a phone

/** @typedef {import("./recorded_runs.js").Shown} Shown */

/** The elements on the page, and what they show of a choice. */
class View {
  /**
   * @param {HTMLElement} root
   * @param {Choice} choice
   */
  constructor(root, choice) {
    const { data } = choice;
    this.root = root;
    this.choice = choice;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.lr = valueSlider("lr", "Learning rate", data.lrs, choice.lr);
    this.batch = valueSlider("batch", "Batch size", data.batch_sizes, choice.batch);
    this.boxes = data.arms.map((arm, i) => armBox(arm, i));
    this.summary = h("div", { class: "summary" });
    this.charts = h("div", { class: "charts" });
    this.announcer = spoken("p", "announcer");
    this.curves = scrolling("The recorded curves as a table");
    this.build();
    this.accuracy = figure(this.charts, "accuracy", "Validation accuracy");
    this.loss = figure(this.charts, "loss", "Training loss");
    this.watcher = new ResizeObserver(() => this.draw());
    this.watcher.observe(this.charts);
  }

  build() {
    const { data } = this.choice;
    const everything = scrolling("All recorded settings");
    fillTable(everything, ...settingsTable(data));
    const group = {
      class: "controls",
      role: "group",
      "aria-label": "Settings of the recorded runs",
    };
    const arms = h("div", { class: "arms" }, ...this.boxes);
    const legend = h("legend", { class: "unseen" }, "Curves");
    const controls = h("div", group, this.lr, this.batch, h("fieldset", {}, legend, arms));
    controls.addEventListener("input", () => this.read());
    this.root.append(
      h("p", { class: "title" }, "Recorded runs"),
      controls,
      this.summary,
      this.charts,
      this.announcer,
      folded("current", "These curves as a table", this.curves),
      folded("all", "All recorded settings", everything),
      h("p", { class: "about" }, data.about),
    );
  }

  /** Take over what the controls say; speak when they rest. */
  read() {
    this.choice.lr = input(this.lr).valueAsNumber;
    this.choice.batch = input(this.batch).valueAsNumber;
    const off = [...this.boxes.keys()].filter((i) => !input(this.boxes[i]).checked);
    this.choice.hidden = new Set(off);
    this.show();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.announcer.textContent = this.said();
    }, ANNOUNCE_AFTER);
  }

  show() {
    const { data, lr, batch, shown } = this.choice;
    tell(this.lr, String(data.lrs[lr]));
    tell(this.batch, String(data.batch_sizes[batch]));
    this.summary.replaceChildren(
      ...(shown.length ? shown.map((one) => this.line(one)) : ["Tick a box to see its curve."]),
    );
    this.accuracy.setAttribute("aria-label", `Validation accuracy per epoch. ${this.said()}`);
    const where = `${capital(this.choice.words)}. The numbers are in the table below.`;
    this.loss.setAttribute("aria-label", `Training loss per epoch. ${where}`);
    fillTable(this.curves, ...curvesTable(data, shown));
    this.draw();
  }

  /** @param {Shown} one */
  line(one) {
    const line = h("p", {}, swatch(one.arm), h("strong", {}, `${one.arm.label}: `));
    line.append(`${one.cell.text}.`, h("span", { class: "note" }, this.choice.remark(one)));
    return line;
  }

  /** The setting and the summary, for screen readers. */
  said() {
    const lines = [...this.summary.childNodes].map((line) => line.textContent);
    return `${capital(this.choice.words)}. ${lines.join(" ")}`;
  }

  draw() {
    const { data, shown } = this.choice;
    drawChart(this.accuracy, accuracyChart(data, shown), sizeOf(this.accuracy));
    drawChart(this.loss, lossChart(data, shown), sizeOf(this.loss));
  }

  close() {
    this.watcher.disconnect();
    clearTimeout(this.timer);
  }
}

/** @type {Mount<RecordedData>} */
export function mountRecorded(root, data) {
  const view = new View(root, new Choice(data));
  view.show();
  return () => view.close();
}

/** @param {Element} control */
const input = (control) => /** @type {HTMLInputElement} */ (find(control, "input"));

/**
 * With one value there is nothing to slide, and the control is hidden.
 * @param {string} name
 * @param {string} label
 * @param {number[]} values
 * @param {number} start
 */
function valueSlider(name, label, values, start) {
  const texts = values.map(String);
  const stride = Math.ceil(texts.length / MOST_TICKS);
  const ticks = texts.filter((_, i) => i % stride === 0);
  const control = slider(name, label, texts, start, ticks);
  control.hidden = values.length === 1;
  return control;
}

/**
 * @param {RecordedData["arms"][number]} arm
 * @param {number} i
 */
function armBox(arm, i) {
  const box = h("input", { type: "checkbox", name: "arm", value: i, checked: true });
  return h("label", { class: "arm" }, box, swatch(arm), h("span", {}, arm.label));
}

/**
 * @param {Element} parent
 * @param {string} name
 * @param {string} caption
 */
function figure(parent, name, caption) {
  const holder = h("figure", { class: name }, h("figcaption", {}, caption));
  parent.append(holder);
  return draw(holder, "svg", { role: "img" });
}
