// A run as an address: "#lab=learning-rate&lr=1&batch=128&seed=0&epochs=10&every=epoch&a=…&b=…".
// The same address gives the same curve, to the last bit, on any machine.

/** @type {Record<string, Net["affine"]>} */
const AFFINES = { gb: "both", g: "gamma", b: "beta", "": "none" };
/** @type {Record<string, Net["trained"]>} */
const TRAINED = { n: "norm", nh: "norm+head", h: "head" };
const MAX_STEP = 1e7;
/** What links of old do not say, and what goes without saying. */
const UNSAID = { momentum: 0, decay: 0, data: /** @type {DataName} */ ("digits") };

/**
 * Which hidden layers have biases, in a link and in a menu.
 * @param {{ convBias: boolean, linearBias: boolean }} net
 */
export const biasesOf = (net) => (net.convBias ? "c" : "") + (net.linearBias ? "l" : "");

/** @typedef {{ error: string }} Damage what in a link cannot be read */

/**
 * @template {string} Value
 * @param {Record<string, Value>} values
 * @param {Value} wanted
 */
function keyOf(values, wanted) {
  return Object.keys(values).find((key) => values[key] === wanted) ?? "";
}

/**
 * Reads and writes the links of one lab.
 * @param {LabSettings} data
 */
export function createLinks(data) {
  const letters = data.words.letters;
  const kinds = /** @type {NormName[]} */ (Object.keys(letters));
  const pattern = new RegExp(
    `^([${Object.values(letters).join("")}]{4})-(g?b?)-(c?l?)-([sr])(?:-(nh|n|h))?$`,
  );
  /** @type {Record<string, number[]>} */
  const known = { lr: data.lrs, batch: data.batch_sizes, epochs: data.epochs };

  /**
   * A net in words: norms, what of gamma and beta is learned, where biases are, activation, and
   * what is trained if that is not everything.
   * @param {Net} net
   */
  function netCode(net) {
    const words = [
      net.norms.map((norm) => letters[norm]).join(""),
      keyOf(AFFINES, net.affine),
      biasesOf(net),
      net.activation[0],
    ];
    if (net.trained !== "all") words.push(keyOf(TRAINED, net.trained));
    return words.join("-");
  }

  /**
   * @param {string} code
   * @returns {Net | null}
   */
  function readNet(code) {
    const found = pattern.exec(code);
    if (!found) return null;
    const [, norms, affine, biases, activation, trained] = found;
    return {
      norms: [...norms].map((letter) => kinds.find((kind) => letters[kind] === letter) ?? "none"),
      affine: AFFINES[affine],
      convBias: biases.includes("c"),
      linearBias: biases.includes("l"),
      activation: activation === "s" ? "sigmoid" : "relu",
      trained: TRAINED[trained] ?? "all",
    };
  }

  /** @param {Setting} setting */
  function write(setting) {
    const { lr, batch, seed, epochs, every, nets, changes } = setting;
    const words = Object.entries({ lab: data.preset, lr, batch, seed, epochs, every });
    for (const [name, usual] of Object.entries(UNSAID)) {
      const value = setting[/** @type {keyof typeof UNSAID} */ (name)];
      if (value !== usual) words.push([name, value]);
    }
    nets.forEach((net, i) => {
      words.push(["ab"[i], netCode(net)]);
    });
    if (changes.length) words.push(["at", changes.map((one) => `${one.step}:${one.lr}`).join(",")]);
    return `#${words.map((pair) => pair.join("=")).join("&")}`;
  }

  /**
   * The setting in an address. Null if it is for another lab or none; what is damaged if a part
   * cannot be read: that must not turn into another run in silence.
   * @param {string} hash
   * @returns {Setting | Damage | null}
   */
  function read(hash) {
    const words = new URLSearchParams(hash.replace(/^#/, ""));
    if (words.get("lab") !== data.preset) return null;
    for (const [name, values] of Object.entries(known)) {
      if (!values.includes(Number(words.get(name)))) return { error: name };
    }
    const [lr, batch, epochs] = ["lr", "batch", "epochs"].map((name) => Number(words.get(name)));
    const seed = Number(words.get("seed") || Number.NaN);
    if (!Number.isInteger(seed) || seed < 0 || seed > data.max_seed) return { error: "seed" };
    const every = words.get("every") ?? "";
    if (!(every in data.every)) return { error: "every" };
    const momentum = Number(words.get("momentum") ?? UNSAID.momentum);
    if (!data.momenta.includes(momentum)) return { error: "momentum" };
    const decay = Number(words.get("decay") ?? UNSAID.decay);
    if (!data.decays.includes(decay)) return { error: "decay" };
    const images = words.get("data") ?? UNSAID.data;
    if (!Object.hasOwn(data.data, images)) return { error: "data" };
    const nets = [];
    for (const name of "ab") {
      const code = words.get(name);
      if (code === null && name === "b") break;
      const net = readNet(code ?? "");
      if (!net) return { error: name };
      nets.push(net);
    }
    const changes = readChanges(words.get("at") ?? "", data.lrs);
    if (!changes) return { error: "at" };
    return {
      lr,
      batch,
      seed,
      epochs,
      every: every === "epoch" ? every : Number(every),
      nets,
      changes,
      momentum,
      decay,
      data: /** @type {DataName} */ (images),
    };
  }

  return { netCode, readNet, read, write };
}

/** @typedef {ReturnType<typeof createLinks>} Links */

/**
 * Changes of the learning rate, "35:0.5,70:1", in the order of their steps.
 * @param {string} text
 * @param {number[]} lrs
 */
function readChanges(text, lrs) {
  const changes = text
    .split(",")
    .filter(Boolean)
    .map((word) => {
      const [step, lr] = word.split(":").map(Number);
      return { step, lr };
    });
  const fits = changes.every(({ step, lr }, i) => {
    const before = i ? changes[i - 1].step : -1;
    return Number.isInteger(step) && step > before && step < MAX_STEP && lrs.includes(lr);
  });
  return fits ? changes : null;
}
