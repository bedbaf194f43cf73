// Moves the distribution and the line; their numbers were computed when the page was built.
const WIDTH = 460, BASE = 214, TOP = 16;

document.querySelectorAll("#ROOT_ID:not([data-ready])").forEach((root) => {
  const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  root.dataset.ready = "";
  const sliders = ["gamma", "beta"].map((name) => root.querySelector(`input[name='${name}']`));
  const outputs = [...root.querySelectorAll("output")];

  const x = (value) => ((value + data.reach) / (2 * data.reach)) * WIDTH;
  const y = (value) => BASE - value * (BASE - TOP);
  const path = (points) => "M" + points.map(([a, b]) => x(a).toFixed(1) + " " + y(b).toFixed(1)).join("L");
  const axis = Array.from({ length: 161 }, (_, i) => -data.reach + (i * data.reach) / 80);

  function draw() {
    const [i, j] = sliders.map((one) => Number(one.value));
    const gamma = data.gammas[i], beta = data.betas[j];
    const [slope, intercept, fit, inside] = data.cells[i][j];
    [gamma, beta].forEach((value, k) => {
      outputs[k].textContent = String(value).replace("-", "\u2212");
      sliders[k].setAttribute("aria-valuetext", String(value));
    });
    const density = axis.map((v) => [v, 0.45 * Math.exp(-(((v - beta) / gamma) ** 2) / 2)]);
    root.querySelector("path.inputs").setAttribute("d", path(density) + `V${BASE}H0Z`);
    const ends = [beta - 2 * gamma, beta + 2 * gamma].map((v) => [v, slope * v + intercept]);
    root.querySelector("path.line").setAttribute("d", path(ends));
    root.querySelector(".said").textContent =
      `A straight line explains ${(100 * fit).toFixed(1)} % of the variance of the output; ` +
      `${(100 * inside).toFixed(0)} % of the inputs lie between \u22121 and 1.`;
  }

  root.addEventListener("input", draw);
  draw();
});
