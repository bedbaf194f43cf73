// What a run is called and what happened to it, in words, from counts and losses alone.
import { percent, thousands } from "./svg.js";

export const GOAL = 95; // percent of the validation images
const AT_CHANCE = 20; // percent; as training.py judges
const GUESS = Math.log(10); // the loss of a blind guess
const EXCESS = 0.02;
export const LAYERS = ["conv1", "conv2", "fc1", "fc2"];

function normsInWords(norms) {
  const words = { batch: "batch norm", mean: "mean-only norm", variance: "variance-only norm", none: "no norm" };
  if (new Set(norms).size === 1) return words[norms[0]];
  const kinds = [...new Set(norms)].filter((kind) => kind !== "none");
  return kinds.map((kind) => words[kind] + " after " + LAYERS.filter((_, i) => norms[i] === kind).join(", ")).join("; ");
}

const isNormed = (net) => net.norms.some((norm) => norm !== "none");

// Why training a net would move nothing; no words where it does move something.
export function whyStuck(net) {
  if (net.trained !== "norm") return "";
  if (!isNormed(net)) return "only gamma and beta are trained, and it has no norm";
  return net.affine === "none" ? "only gamma and beta are trained, and both are fixed" : "";
}

// The same training in its plainest description: what means nothing beside the rest is as usual.
export function plainest(net) {
  const learnable = isNormed(net) && net.affine !== "none";
  const trained = net.trained === "norm+head" && !learnable ? "head" : net.trained;
  return { ...net, trained, affine: isNormed(net) && trained !== "head" ? net.affine : "both" };
}

function trainedInWords(net) {
  if (whyStuck(net)) return "nothing trained";
  const words = ["gamma", "beta"].filter((name) => net.trained !== "head" && ["both", name].includes(net.affine));
  if (net.trained !== "norm") words.push("the last layer");
  const last = words.pop();
  return "only " + (words.length ? words.join(", ") + " and " : "") + last + " trained";
}

// "Batch norm, no biases": a name for a net that is none of the preset's own.
export function nameOf(described) {
  const net = plainest(described);
  const parts = [normsInWords(net.norms)];
  if (isNormed(net) && net.trained === "all") {
    parts.push({ both: "", gamma: "beta fixed", beta: "gamma fixed", none: "gamma and beta fixed" }[net.affine]);
  }
  if (!net.convBias && !net.linearBias) parts.push("no biases");
  else if (!net.convBias) parts.push("no biases in convolutions");
  else if (!net.linearBias) parts.push("no biases in linear layers");
  if (net.activation === "relu") parts.push("ReLU");
  if (net.trained !== "all") parts.push(trainedInWords(net));
  return capital(parts.filter(Boolean).join(", "));
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

function atChance(one, images) {
  return 100 * one.correct < AT_CHANCE * images;
}

// The first evaluation with 95 % right, or none. Counts, as 0.95 in binary is not 95 %.
export function reached(evaluations, images) {
  return evaluations.find((one) => 100 * one.correct >= GOAL * images);
}

// A curve: { evaluations: [{ step, correct, correctRunning }], failedAt, recentLoss }.
// "kind" changes at milestones only: those are announced.
export function happened(curve, images, over) {
  const all = curve.evaluations;
  if (!all.length) return { kind: "waiting", text: "" };
  const last = all[all.length - 1];
  const goal = reached(all, images);
  const first = goal ? "Reached " + GOAL + " % after " + thousands(goal.step) + " steps" : "";
  const join = (...parts) => capital(parts.filter(Boolean).join("; "));
  if (curve.failedAt) return { kind: "non-finite", text: join(first, "the loss became non-finite at step " + thousands(curve.failedAt)) };
  if (last.step === 0) return { kind: "waiting", text: "Before training: " + percent(last.correct / images) };
  const now = (over ? "at the end " : "now ") + percent(last.correct / images) + (last.correctRunning === last.correct ? "" : " (running: " + percent(last.correctRunning / images) + ")");
  if (!atChance(last, images)) {
    return goal ? { kind: "reached", text: join(first, now) } : { kind: "learning", text: over ? join(now) : "Learning: " + now };
  }
  const fallen = all.findLast((one, i) => i && atChance(one, images) && !atChance(all[i - 1], images));
  if (fallen) return { kind: "collapsed", text: join(first, "collapsed to chance by step " + thousands(fallen.step)) };
  const after = "Still at chance after " + thousands(last.step) + " steps";
  return curve.recentLoss > GUESS + EXCESS
    ? { kind: "thrown", text: after + ": the loss is above that of a guess, the steps are too large" }
    : { kind: "plateau", text: after + ": a plateau, with the loss of a blind guess" };
}
