// The controls of the lab: their markup, what they are set to, and setting them.
import { find, h, swatch } from "./dom.js";
import { nameOf } from "./names.js";
import { biasesOf } from "./permalink.js";
import { slider, tell } from "./slider.js";

const RATE_TICKS = ["0.001", "0.01", "0.1", "1", "10", "200"];
const BATCH_TICKS = ["2", "8", "32", "128", "512"];

/** What menus and fields set that both nets share. */
const MENU_FIELDS = /** @type {const} */ (["seed", "epochs", "every", "momentum", "decay", "data"]);

/** @typedef {HTMLInputElement | HTMLSelectElement} Input */
/** @typedef {{ label: string, read: (net: Net) => string, write: (net: Net, value: string) => void }} Menu */

/**
 * The menus of a net, by their name.
 * @type {Record<string, Menu>}
 */
const MENUS = {
  norms: {
    label: "Norm",
    read: (net) => (new Set(net.norms).size === 1 ? net.norms[0] : ""),
    write: (net, value) => net.norms.fill(/** @type {NormName} */ (value)),
  },
  biases: {
    label: "Hidden biases",
    read: biasesOf,
    write: (net, value) => {
      net.convBias = value.includes("c");
      net.linearBias = value.includes("l");
    },
  },
  affine: {
    label: "Gamma and beta",
    read: (net) => net.affine,
    write: (net, value) => {
      net.affine = /** @type {Net["affine"]} */ (value);
    },
  },
  activation: {
    label: "Activation",
    read: (net) => net.activation,
    write: (net, value) => {
      net.activation = /** @type {Net["activation"]} */ (value);
    },
  },
  trained: {
    label: "Trained",
    read: (net) => net.trained,
    write: (net, value) => {
      net.trained = /** @type {Net["trained"]} */ (value);
    },
  },
};

/**
 * A menu; the empty option says what cannot be chosen: a mixture.
 * @param {string} label
 * @param {string} name
 * @param {Record<string, string>} options
 * @param {import("./dom.js").Attributes} [attributes]
 */
function menu(label, name, options, attributes = {}) {
  const items = Object.entries(options).map(([value, text]) =>
    h("option", { value, disabled: value === "", hidden: value === "" }, text),
  );
  const select = h("select", { name, ...attributes }, ...items);
  return h("label", { class: "field" }, h("span", {}, label), " ", select);
}

/**
 * Options that are called what they are.
 * @param {number[]} values
 */
function plainly(values) {
  return Object.fromEntries(values.map((value) => [String(value), String(value)]));
}

export class Controls {
  /**
   * @param {LabSettings} data
   * @param {import("./permalink.js").Links} links
   * @param {(what: "lr" | "other") => void} changed is called after every change by the reader
   */
  constructor(data, links, changed) {
    this.data = data;
    this.links = links;
    this.changed = changed;
    this.nets = data.nets.map(({ code }) => /** @type {Net} */ (links.readNet(code)));
    this.sliders = { lr: data.lrs, batch: data.batch_sizes };
    this.root = this.build();
    this.root.addEventListener("input", (event) => {
      this.take(/** @type {Input} */ (event.target));
    });
    this.input("seed").addEventListener("change", () => {
      this.keepSeedInside();
      this.changed("other");
    });
    this.write({ seed: 0, every: "epoch", ...data.start });
  }

  // Markup

  build() {
    const { data } = this;
    const [rates, sizes] = [data.lrs, data.batch_sizes].map((values) => values.map(String));
    const seed = h("input", {
      ...{ type: "number", name: "seed", value: 0, min: 0, max: data.max_seed },
      ...{ step: 1, inputmode: "numeric" },
    });
    return h(
      "fieldset",
      { class: "settings" },
      h("legend", { class: "unseen" }, "Settings"),
      h(
        "div",
        { class: "sliders" },
        slider("lr", "Learning rate", rates, 0, RATE_TICKS),
        slider("batch", "Batch size", sizes, 0, BATCH_TICKS),
      ),
      h("div", { class: "nets" }, this.openNet(0), this.openNet(1)),
      h("div", { class: "bar" }),
      h(
        "div",
        { class: "numbers" },
        h("p", { class: "pending" }),
        menu("Epochs", "epochs", plainly(data.epochs)),
        h("label", { class: "field" }, h("span", {}, "Seed"), " ", seed),
      ),
      h(
        "details",
        { class: "more" },
        h("summary", {}, "More settings"),
        h("div", { class: "nets" }, this.foldedNet(0), this.foldedNet(1)),
        h("div", { class: "bar" }, ...this.sharedMenus()),
      ),
    );
  }

  /**
   * The head of a net, with the settings that the preset puts in the open.
   * @param {number} index
   */
  openNet(index) {
    const letter = "AB"[index];
    const label = h("strong", {}, `${letter} · `, h("span", { class: "label" }));
    const look = swatch(this.data.looks[index]);
    const name = index
      ? h("label", { class: "name" }, h("input", { type: "checkbox", name: "second" }), look, label)
      : h("p", { class: "name" }, look, label);
    if (index) /** @type {HTMLInputElement} */ (find(name, "input")).checked = true;
    return h(
      "fieldset",
      { class: "net", "data-net": index },
      h("legend", { class: "unseen" }, `Net ${letter}`),
      name,
      ...this.data.controls.map((one) => this.control(one)),
    );
  }

  /**
   * What is left of a net's settings: one menu per slot, and what is not in the open.
   * @param {number} index
   */
  foldedNet(index) {
    const letter = "AB"[index];
    const { layers, words, controls } = this.data;
    const slots = layers.map((layer, slot) =>
      menu(`Norm after ${layer}`, `slot${slot}`, words.norms, { "data-slot": slot }),
    );
    const left = ["biases", "affine", "activation", "trained"].filter(
      (name) => !controls.includes(name),
    );
    return h(
      "fieldset",
      { class: "net", "data-net": index },
      h("legend", { class: "unseen" }, `More of net ${letter}`),
      h("p", { class: "name" }, h("strong", {}, letter)),
      ...slots,
      ...left.map((name) => this.control(name)),
    );
  }

  /** @param {string} name */
  control(name) {
    if (name === "toggles") return this.toggles();
    const { words } = this.data;
    /** @type {Record<string, Record<string, string>>} */
    const options = { ...words, norms: { ...words.norms, "": "Mixed" } };
    return menu(MENUS[name].label, name, options[name]);
  }

  toggles() {
    const boxes = this.data.layers.map((layer, slot) => {
      const box = h("input", { type: "checkbox", name: `toggle${slot}`, "data-slot": slot });
      return h("label", {}, box, ` ${layer}`);
    });
    return h(
      "div",
      { class: "toggles", role: "group", "aria-label": "Norm after" },
      h("span", {}, "Norm after"),
      ...boxes,
    );
  }

  sharedMenus() {
    const { every, momenta, decays, words, trainers, train_sizes } = this.data;
    const menus = [
      menu("Data", "data", words.data),
      menu("Momentum", "momentum", plainly(momenta)),
      menu("Weight decay", "decay", plainly(decays)),
      menu("Evaluate", "every", every),
    ];
    if (trainers) menus.push(menu("Train in", "trainer", trainers));
    if (train_sizes) menus.push(menu("Training images", "train_size", train_sizes));
    return menus;
  }

  // Values

  /** @param {string} name */
  input(name) {
    return /** @type {HTMLInputElement} */ (find(this.root, `[name=${name}]`));
  }

  /** @param {string} name */
  valueOf(name) {
    return this.root.querySelector(`[name=${name}]`) ? this.input(name).value : "";
  }

  /** @returns {Setting} */
  read() {
    const every = this.valueOf("every");
    return {
      lr: this.data.lrs[Number(this.valueOf("lr"))],
      batch: this.data.batch_sizes[Number(this.valueOf("batch"))],
      seed: Number(this.valueOf("seed")),
      epochs: Number(this.valueOf("epochs")),
      every: every === "epoch" ? every : Number(every),
      nets: structuredClone(this.nets.slice(0, this.input("second").checked ? 2 : 1)),
      changes: [],
      momentum: Number(this.valueOf("momentum")),
      decay: Number(this.valueOf("decay")),
      data: /** @type {DataName} */ (this.valueOf("data")),
    };
  }

  /** Where to train, in Jupyter. @returns {Place} */
  readPlace() {
    const trainer = this.valueOf("trainer") || "browser";
    return { trainer, trainSize: Number(this.valueOf("train_size")) };
  }

  /** @param {Partial<Place>} place */
  writePlace({ trainer, trainSize }) {
    if (trainer !== undefined) this.input("trainer").value = trainer;
    if (trainSize !== undefined) this.input("train_size").value = String(trainSize);
  }

  /** @param {Partial<Setting>} setting */
  write(setting) {
    for (const name of MENU_FIELDS) {
      if (setting[name] !== undefined) this.input(name).value = String(setting[name]);
    }
    for (const [name, values] of Object.entries(this.sliders)) {
      const value = setting[/** @type {"lr" | "batch"} */ (name)];
      if (value !== undefined) this.input(name).value = String(values.indexOf(value));
    }
    setting.nets?.forEach((net, i) => {
      this.nets[i] = structuredClone(net);
    });
    if (setting.nets) this.input("second").checked = setting.nets.length === 2;
    this.show();
  }

  /** Bring every control in line with the values: some show the same thing in two ways. */
  show() {
    for (const [name, values] of Object.entries(this.sliders)) {
      const control = /** @type {Element} */ (this.input(name).closest(".control"));
      tell(control, String(values[Number(this.valueOf(name))]));
    }
    this.nets.forEach((net, i) => {
      const off = i === 1 && !this.input("second").checked;
      for (const part of this.root.querySelectorAll(`[data-net="${i}"]`)) {
        part.classList.toggle("off", off);
        for (const input of part.querySelectorAll("select, .toggles input")) {
          showIn(/** @type {Input} */ (input), net, off);
        }
        const label = part.querySelector(".label");
        if (label) label.textContent = this.name(net);
      }
    });
  }

  /**
   * A net is called as the chapter calls it, as long as it is one of the chapter's.
   * @param {Net} net
   */
  name(net) {
    const code = this.links.netCode(net);
    const known = this.data.nets.find((each) => each.code === code);
    return known ? known.label : nameOf(net, this.data);
  }

  /**
   * Take what the reader has set.
   * @param {Input} input
   */
  take(input) {
    if (input.name === "seed") return; // half a number is none yet: see "change"
    const part = /** @type {HTMLElement | null} */ (input.closest("[data-net]"));
    if (part && input.name !== "second") takeFrom(input, this.nets[Number(part.dataset.net)]);
    this.show();
    this.changed(input.name === "lr" ? "lr" : "other");
  }

  keepSeedInside() {
    const input = this.input("seed");
    const seed = Math.round(Number(input.value));
    const inside = Math.min(Math.max(seed, 0), this.data.max_seed);
    input.value = Number.isFinite(seed) ? String(inside) : "0";
  }
}

/**
 * @param {Input} input
 * @param {Net} net
 * @param {boolean} off
 */
function showIn(input, net, off) {
  input.disabled = off;
  const slot = Number(input.dataset.slot);
  if (input instanceof HTMLInputElement) input.checked = net.norms[slot] !== "none";
  else if (input.dataset.slot) input.value = net.norms[slot];
  else input.value = MENUS[input.name].read(net);
}

/**
 * @param {Input} input
 * @param {Net} net
 */
function takeFrom(input, net) {
  const slot = Number(input.dataset.slot);
  if (input instanceof HTMLInputElement) net.norms[slot] = input.checked ? "batch" : "none";
  else if (input.dataset.slot) net.norms[slot] = /** @type {NormName} */ (input.value);
  else MENUS[input.name].write(net, input.value);
}
