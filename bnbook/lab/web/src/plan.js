// What an experiment runs: nets, the learning rates of each, and seeds, all else being alike.
import { nameOf } from "./names.js";

export const FEWEST = 2;
export const MOST = 10; // seeds
const MOST_NETS = 6;

/** @typedef {import("./permalink.js").Links} Links */
/** @typedef {{ label: string, net: Net, lrs: number[] }} PlannedNet */
/**
 * `base` is what all runs share; its own nets, rate and seed stand for nothing.
 * @typedef {{ nets: PlannedNet[], seeds: number[], base: Setting }} Plan
 */
/** @typedef {{ seed: number, net: number, rate: number, setting: Setting }} Job of one net and seed; `net` and `rate` are places in the plan */
/** @typedef {{ id: "chapter" | "rates" | "above" | "link", text: string, plan: Plan }} Choice */

/**
 * The runs of a plan, in the order in which pairs come together soonest.
 * @param {Plan} plan
 * @returns {Job[]}
 */
export function jobsOf({ nets, seeds, base }) {
  const rates = [...nets[0].lrs.keys()];
  return seeds.flatMap((seed) =>
    rates.flatMap((rate) =>
      nets.map((one, net) => {
        const own = { nets: [one.net], lr: one.lrs[rate], seed };
        return { seed, net, rate, setting: { ...base, ...own, every: "epoch", changes: [] } };
      }),
    ),
  );
}

/**
 * Plans of one lab: what can be chosen, and links.
 * @param {LabSettings} data
 * @param {Trial} trial
 * @param {Links} links
 */
export function createPlans(data, trial, links) {
  const known = [...trial.nets, ...data.nets];

  /** @param {Net} net */
  function labelOf(net) {
    const code = links.netCode(net);
    return known.find((one) => one.code === code)?.label ?? nameOf(net, data);
  }

  /**
   * @param {string} code
   * @param {number[]} lrs
   * @returns {PlannedNet | null}
   */
  function planned(code, lrs) {
    const net = links.readNet(code);
    return net && { label: labelOf(net), net, lrs };
  }

  /**
   * Seeds from the lab's on, as far as there are any.
   * @param {number} first
   * @param {number} count
   */
  function seedsFrom(first, count) {
    const start = Math.min(first, data.max_seed - count + 1);
    return Array.from({ length: count }, (_, i) => start + i);
  }

  /**
   * What can be run with the lab's settings as they are; the first is the chapter's own experiment.
   * @param {Setting} base
   * @param {number} count of seeds
   * @returns {Choice[]}
   */
  function choices(base, count) {
    const seeds = seedsFrom(base.seed, count);
    const above = base.nets.map((net) => ({ label: labelOf(net), net, lrs: [base.lr] }));
    /** @type {Choice[]} */
    const found = [];
    if (trial.nets.length) {
      const rates = trial.lrs.length ? trial.lrs : null;
      const nets = trial.nets.map(({ code, lr }) => planned(code, rates ?? [lr ?? base.lr]));
      const plan = { nets: nets.filter((one) => one !== null), seeds, base };
      found.push({ id: "chapter", text: `Suggested: ${inWords(plan)}`, plan });
    }
    if (trial.lrs.length) {
      const plan = { nets: above.map((one) => ({ ...one, lrs: trial.lrs })), seeds, base };
      found.push({ id: "rates", text: `The nets set above: ${inWords(plan)}`, plan });
    }
    const plan = { nets: above, seeds, base };
    found.push({ id: "above", text: `The nets set above: ${inWords(plan)}`, plan });
    return found;
  }

  /** @param {Plan} plan */
  function write({ nets, seeds, base }) {
    const code = nets.map(({ net, lrs }) => `${links.netCode(net)}@${lrs.join(":")}`).join(",");
    const alike = { ...base, nets: [nets[0].net], seed: seeds[0], changes: [] };
    const words = new URLSearchParams(links.write(alike).slice(1));
    for (const name of ["lab", "lr", "every", "a"]) words.delete(name);
    const rest = [...words].map((pair) => pair.join("=")).join("&");
    return `#experiment=${data.preset}&seeds=${seeds.length}&nets=${code}&${rest}`;
  }

  /**
   * The plan in an address. Null if it is another's or none; what is damaged if a part cannot be
   * read: that must not turn into another experiment in silence.
   * @param {string} hash
   * @returns {Choice | { error: string } | null}
   */
  function read(hash) {
    const words = new URLSearchParams(hash.replace(/^#/, ""));
    if (words.get("experiment") !== data.preset) return null;
    const nets = readNets(words.get("nets") ?? "");
    if (!nets) return { error: "nets" };
    const count = Number(words.get("seeds"));
    if (!Number.isInteger(count) || count < FEWEST || count > MOST) return { error: "seeds" };
    for (const name of ["experiment", "nets", "seeds"]) words.delete(name);
    words.set("lab", data.preset);
    words.set("lr", String(nets[0].lrs[0]));
    words.set("every", "epoch");
    words.set("a", links.netCode(nets[0].net));
    const base = links.read(`#${words}`);
    if (!base || "error" in base) return base;
    const seeds = seedsFrom(base.seed, count);
    if (seeds[0] !== base.seed) return { error: "seed" };
    const plan = { nets, seeds, base };
    return { id: "link", text: `As in the link: ${inWords(plan)}`, plan };
  }

  /** @param {string} text */
  function readNets(text) {
    const nets = text.split(",").map((word) => {
      const [code, rates = ""] = word.split("@");
      const lrs = rates.split(":").map(Number);
      return lrs.every((lr) => data.lrs.includes(lr)) ? planned(code, lrs) : null;
    });
    const fits = nets.length <= MOST_NETS && nets.every((net) => net !== null);
    if (!fits) return null;
    return nets.every((net) => net.lrs.length === nets[0].lrs.length) ? nets : null;
  }

  /**
   * Whether a plan has the nets that the chapter's claim is about, but perhaps for the activation.
   * @param {Plan} plan
   */
  function isClaimed(plan) {
    const wanted = trial.nets.length ? trial.nets : data.nets;
    if (plan.nets.length !== wanted.length) return false;
    if (trial.direction === "limits" && plan.nets[0].lrs.length < 2) return false;
    return plan.nets.every(({ net }, i) => {
      const { activation } = links.readNet(wanted[i].code) ?? net;
      return links.netCode({ ...net, activation }) === wanted[i].code;
    });
  }

  return { choices, seedsFrom, write, read, isClaimed, codeOf: links.netCode };
}

/** @typedef {ReturnType<typeof createPlans>} Plans */

/**
 * "All biases and No biases at learning rate 0.5"
 * @param {Plan} plan
 */
function inWords({ nets }) {
  const rates = new Set(nets.map(({ lrs }) => lrs.join(", ")));
  if (rates.size > 1) return list(nets.map(({ label, lrs }) => `${label} at rate ${lrs}`));
  const [all] = rates;
  const many = nets[0].lrs.length > 1 ? "s" : "";
  return `${list(nets.map((one) => one.label))} at learning rate${many} ${all}`;
}

/** @param {string[]} words */
export function list(words) {
  const last = words.at(-1) ?? "";
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${last}` : last;
}
