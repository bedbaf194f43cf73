// The controls of the lab: what they are set to, and setting them.
import { readNet, netCode } from "./permalink.js";
import { nameOf } from "./story.js";

const FIELDS = { affine: (net) => net.affine, activation: (net) => net.activation, trained: (net) => net.trained, biases: (net) => (net.convBias ? "c" : "") + (net.linearBias ? "l" : "") };

// "changed" is called after every change by the reader, with "lr" or "other".
export function createSettings(root, data, changed) {
  const one = (name) => root.querySelector("[name=" + name + "]");
  const sliders = { lr: data.lrs, batch: data.batch_sizes };
  const nets = data.nets.map((net) => readNet(net.code));

  function read() {
    const setting = Object.fromEntries(Object.entries(sliders).map(([name, values]) => [name, values[one(name).value]]));
    const every = one("every").value;
    return {
      ...setting,
      seed: Number(one("seed").value),
      epochs: Number(one("epochs").value),
      every: every === "epoch" ? every : Number(every),
      nets: nets.slice(0, one("second").checked ? 2 : 1).map((net) => structuredClone(net)),
    };
  }

  function write(setting) {
    for (const name of ["seed", "epochs", "every"]) if (name in setting) one(name).value = setting[name];
    for (const [name, values] of Object.entries(sliders)) if (name in setting) one(name).value = values.indexOf(setting[name]);
    if (setting.nets) {
      setting.nets.forEach((net, i) => { nets[i] = structuredClone(net); });
      one("second").checked = setting.nets.length === 2;
    }
    show();
  }

  // Bring every control in line with the values: some show the same thing in two ways.
  function show() {
    for (const [name, values] of Object.entries(sliders)) {
      const value = String(values[one(name).value]);
      one(name).setAttribute("aria-valuetext", value);
      one(name).parentNode.querySelector("output").textContent = value;
    }
    nets.forEach((net, i) => root.querySelectorAll("[data-net='" + i + "']").forEach((part) => {
      const off = i === 1 && !one("second").checked;
      part.classList.toggle("off", off);
      for (const input of part.querySelectorAll("select, input[type=checkbox]:not([name=second])")) {
        input.disabled = off;
        const slot = input.dataset.slot;
        if (input.type === "checkbox") input.checked = net.norms[slot] !== "none";
        else if (slot) input.value = net.norms[slot];
        else if (input.name === "norm") input.value = new Set(net.norms).size === 1 ? net.norms[0] : "";
        else input.value = FIELDS[input.name](net);
      }
      const label = part.querySelector(".label");
      if (label) label.textContent = name(net);
    }));
  }

  // A net is called as the chapter calls it, as long as it is one of the chapter's.
  function name(net) {
    const code = netCode(net);
    const known = data.nets.find((each) => each.code === code);
    return known ? known.label : nameOf(net);
  }

  function take(input) {
    const net = nets[input.closest("[data-net]").dataset.net];
    const slot = input.dataset.slot;
    if (input.type === "checkbox") net.norms[slot] = input.checked ? "batch" : "none";
    else if (slot) net.norms[slot] = input.value;
    else if (input.name === "norm") net.norms.fill(input.value);
    else if (input.name === "biases") Object.assign(net, { convBias: input.value.includes("c"), linearBias: input.value.includes("l") });
    else net[input.name] = input.value;
  }

  function keepInside(input) {
    const seed = Math.round(Number(input.value));
    input.value = Number.isFinite(seed) ? Math.min(Math.max(seed, 0), data.max_seed) : 0;
  }

  root.querySelector(".settings").addEventListener("input", (event) => {
    const input = event.target;
    if (input.name === "seed") return; // half a number is none yet: see "change"
    if (input.closest("[data-net]") && input.name !== "second") take(input);
    show();
    changed(input.name === "lr" ? "lr" : "other");
  });
  one("seed").addEventListener("change", () => {
    keepInside(one("seed"));
    changed("other");
  });
  show();
  return { read, write, name };
}
