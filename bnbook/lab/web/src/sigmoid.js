// A sigmoid, the distribution of its inputs beneath it, and the straight line that fits best there.
import { draw, find, h, spoken } from "./dom.js";
import { written } from "./numbers.js";
import { slider, tell } from "./slider.js";

const WIDTH = 460;
const HEIGHT = 250;
const BASE = 214; // where y = 0 is drawn
const TOP = 16; // and y = 1
const PEAK = 0.45; // height of the distribution
const SAMPLES = 160;

/**
 * @param {Element} control
 * @returns {number} the index that a slider stands at
 */
const index = (control) => /** @type {HTMLInputElement} */ (find(control, "input")).valueAsNumber;

/** @type {Mount<SigmoidData>} */
export function mountSigmoid(root, data) {
  const gammas = data.gammas.map(written);
  const betas = data.betas.map(written);
  const ends = [gammas[0], written(1), gammas[gammas.length - 1]];
  const gamma = slider("gamma", "gamma", gammas, data.start[0], ends);
  const beta = slider(
    "beta",
    "beta",
    betas,
    data.start[1],
    betas.filter((_, i) => i % 4 === 0),
  );
  const said = spoken("p", "said");
  root.append(
    h("p", { class: "title" }, "What batch norm hands to a sigmoid"),
    h("div", { class: "controls" }, gamma, beta),
  );
  const picture = drawPicture(root, data.reach);
  root.append(legend(), said);

  function update() {
    const [i, j] = [index(gamma), index(beta)];
    const [slope, intercept, fit, inside] = data.fits[i][j];
    tell(gamma, gammas[i]);
    tell(beta, betas[j]);
    picture.move(data.gammas[i], data.betas[j], slope, intercept);
    said.textContent = data.said.replace("{fit}", fit.toFixed(1)).replace("{inside}", `${inside}`);
  }

  root.addEventListener("input", update);
  update();
  return () => {};
}

function legend() {
  const entry = (/** @type {string} */ name, /** @type {string} */ text) =>
    h("span", { class: name }, text);
  return h(
    "p",
    { class: "legend" },
    entry("curve", "sigmoid"),
    entry("line", "best straight line"),
    entry("inputs", "its inputs"),
  );
}

/**
 * Draw the sigmoid; `move` draws its inputs and their line anew.
 * @param {Element} root
 * @param {number} reach
 */
function drawPicture(root, reach) {
  const svg = draw(root, "svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label":
      "A sigmoid, the distribution of its inputs beneath it, and the straight line that fits it best there",
  });
  /** @param {number} value */
  const x = (value) => ((value + reach) / (2 * reach)) * WIDTH;
  /** @param {[number, number][]} points */
  const path = (points) =>
    `M${points.map(([a, b]) => `${x(a).toFixed(1)} ${(BASE - b * (BASE - TOP)).toFixed(1)}`).join("L")}`;
  const axis = Array.from({ length: SAMPLES + 1 }, (_, i) => (2 * i * reach) / SAMPLES - reach);
  /** @param {(value: number) => number} f */
  const graph = (f) => path(axis.map((value) => [value, f(value)]));

  draw(svg, "path", { class: "axis", d: `M0 ${BASE}H${WIDTH}M0 ${TOP}H${WIDTH}` });
  const clip = draw(svg, "svg", { width: WIDTH, height: BASE }); // a steep line ends at the axis
  const inputs = draw(clip, "path", { class: "inputs" });
  draw(clip, "path", { class: "curve", d: graph((value) => 1 / (1 + Math.exp(-value))) });
  const line = draw(clip, "path", { class: "line" });
  for (let tick = -6; tick <= 6; tick += 2) {
    draw(svg, "text", { x: x(tick), y: BASE + 16, "text-anchor": "middle" }, written(tick));
  }
  const caption = { x: WIDTH / 2, y: HEIGHT - 4, "text-anchor": "middle" };
  draw(svg, "text", caption, "input of the sigmoid");

  return {
    /**
     * @param {number} gamma
     * @param {number} beta
     * @param {number} slope
     * @param {number} intercept
     */
    move(gamma, beta, slope, intercept) {
      const bell = graph((value) => PEAK * Math.exp(-(((value - beta) / gamma) ** 2) / 2));
      inputs.setAttribute("d", `${bell}V${BASE}H0Z`);
      const from = beta - 2 * gamma;
      const to = beta + 2 * gamma;
      const ends = [from, to].map((value) => [value, slope * value + intercept]);
      line.setAttribute("d", path(/** @type {[number, number][]} */ (ends)));
    },
  };
}
