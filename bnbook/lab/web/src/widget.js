// In Jupyter: anywidget hands over a model and an element, for each view of an output.
import * as engine from "./engine.js";
import { mount } from "./mount.js";

/** @param {{ model: Model, el: HTMLElement }} context */
function render({ model, el }) {
  const root = document.createElement("div");
  el.append(root);
  // Jupyter would take the keys that move a slider or tick a box for its own: JupyterLab where
  // they bubble, Notebook 7 before they arrive.
  root.addEventListener("keydown", (event) => event.stopPropagation());
  root.addEventListener("focusin", ({ target }) => {
    /** @type {Element} */ (target).setAttribute("data-lm-suppress-shortcuts", "true");
  });
  return mount(root, model.get("kind"), model.get("data"), {
    model,
    site: null,
    engine: async () => engine,
  });
}

export default { render };
