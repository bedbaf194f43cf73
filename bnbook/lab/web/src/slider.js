// A native range input over a list of values: an arrow key moves by one, and says which.
import { find, freshId, h } from "./dom.js";

/**
 * @param {string} name
 * @param {string} label
 * @param {string[]} texts what the values are called
 * @param {number} start index of the value it stands at
 * @param {string[]} ticks those of the values that are written under the slider
 */
export function slider(name, label, texts, start, ticks) {
  const id = freshId();
  const last = texts.length - 1;
  const marks = ticks.map((tick) => {
    const index = texts.indexOf(tick);
    const left = (100 * index) / Math.max(last, 1);
    // Those at the ends must not stand out of the box.
    const end = index === 0 ? "first" : index === last ? "last" : null;
    return h("span", { class: end, style: `left:${left.toFixed(2)}%` }, tick);
  });
  const control = h(
    "div",
    { class: "control" },
    h(
      "div",
      { class: "head" },
      h("label", { for: id }, label),
      h("output", { for: id, "aria-live": "off" }),
    ),
    h("input", { type: "range", id, name, min: 0, max: last, step: 1 }),
    h("div", { class: "ticks", "aria-hidden": "true" }, ...marks),
  );
  /** @type {HTMLInputElement} */ (find(control, "input")).value = String(start);
  tell(control, texts[start]);
  return control;
}

/**
 * Say what a slider stands for, to eyes and to screen readers.
 * @param {Element} control
 * @param {string} text
 */
export function tell(control, text) {
  find(control, "input").setAttribute("aria-valuetext", text);
  find(control, "output").textContent = text;
}
