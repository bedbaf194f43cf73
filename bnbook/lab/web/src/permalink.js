// A run as an address: "#lab=learning-rate&lr=1&batch=128&seed=0&epochs=10&every=epoch&a=…&b=…".
// The same address gives the same curve, to the last bit, on any machine.
const NORM_LETTERS = { b: "batch", m: "mean", v: "variance", n: "none" };
const AFFINES = { gb: "both", g: "gamma", b: "beta", "": "none" };
const TRAINED = { n: "norm", nh: "norm+head", h: "head" };
const MAX_STEP = 1e7;

function letterOf(letters, wanted) {
  return Object.keys(letters).find((letter) => letters[letter] === wanted);
}

// A net in words: norms, what of gamma and beta is learned, where biases are, activation, and
// what is trained if that is not everything.
export function netCode(net) {
  const words = [
    net.norms.map((norm) => letterOf(NORM_LETTERS, norm)).join(""),
    letterOf(AFFINES, net.affine),
    (net.convBias ? "c" : "") + (net.linearBias ? "l" : ""),
    net.activation[0],
  ];
  if (net.trained !== "all") words.push(letterOf(TRAINED, net.trained));
  return words.join("-");
}

export function readNet(code) {
  const found = /^([bmvn]{4})-(g?b?)-(c?l?)-([sr])(?:-(nh|n|h))?/.exec(code);
  if (!found || found[0] !== code) return null;
  return {
    norms: [...found[1]].map((letter) => NORM_LETTERS[letter]),
    affine: AFFINES[found[2]],
    convBias: found[3].includes("c"),
    linearBias: found[3].includes("l"),
    activation: found[4] === "s" ? "sigmoid" : "relu",
    trained: TRAINED[found[5]] || "all",
  };
}

// "setting": lr, batch, seed, epochs, every ("epoch" or steps), nets (one or two), and
// changes: learning rates that apply from a step on, [{ step, lr }].
export function writeLink(lab, setting) {
  const words = [["lab", lab], ...["lr", "batch", "seed", "epochs", "every"].map((name) => [name, setting[name]])];
  setting.nets.forEach((net, i) => words.push(["ab"[i], netCode(net)]));
  if (setting.changes.length) words.push(["at", setting.changes.map((one) => one.step + ":" + one.lr).join(",")]);
  return "#" + words.map((pair) => pair.join("=")).join("&");
}

function readChanges(text, lrs) {
  const changes = (text || "").split(",").filter(Boolean).map((word) => {
    const [step, lr] = word.split(":").map(Number);
    return { step, lr };
  });
  const ordered = changes.every((one, i) => Number.isInteger(one.step) && one.step < MAX_STEP && one.step > (i ? changes[i - 1].step : -1));
  return ordered && changes.every((one) => lrs.includes(one.lr)) ? changes : null;
}

// The setting in an address of this lab. Null if it is for another lab or none; an error in
// words if it is damaged: a part that cannot be read must not turn into another run in silence.
export function readLink(hash, lab, choices) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  if (words.get("lab") !== lab) return null;
  const setting = { seed: Number(words.get("seed") || NaN), nets: [] };
  const known = { lr: choices.lrs, batch: choices.batch_sizes, epochs: choices.epochs };
  for (const [name, values] of Object.entries(known)) {
    setting[name] = Number(words.get(name));
    if (!values.includes(setting[name])) return { error: name };
  }
  if (!Number.isInteger(setting.seed) || setting.seed < 0 || setting.seed > choices.max_seed) return { error: "seed" };
  setting.every = words.get("every") === "epoch" ? "epoch" : Number(words.get("every"));
  if (!choices.every.includes(setting.every)) return { error: "every" };
  for (const name of "ab") {
    const net = words.has(name) ? readNet(words.get(name)) : undefined;
    if (net === null || (name === "a" && !net)) return { error: name };
    if (net) setting.nets.push(net);
  }
  setting.changes = readChanges(words.get("at"), choices.lrs);
  return setting.changes ? setting : { error: "at" };
}
