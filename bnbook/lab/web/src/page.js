// On a page: a classic script, deferred, that finds the page's elements and builds them.
import "./base.css";
import "./exercise.css";
import "./jupyter.css";
import "./lab.css";
import "./experiment.css";
import "./panels.css";
import "./predict.css";
import "./recorded.css";
import "./sigmoid.css";
import { loadEngine } from "./assets.js";
import { mount } from "./mount.js";

const own = /** @type {HTMLScriptElement} */ (document.currentScript).src;
const site = new URL(".", own).href;
/** @type {Host} */
const host = {
  model: null,
  site,
  engine: () => loadEngine(site),
};

for (const root of /** @type {NodeListOf<HTMLElement>} */ (
  document.querySelectorAll("[data-bn]:not([data-ready])")
)) {
  const data = root.querySelector("script[type='application/json']")?.textContent ?? "";
  mount(root, root.dataset.bn ?? "", JSON.parse(data), host);
}
