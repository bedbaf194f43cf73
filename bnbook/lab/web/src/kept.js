// Runs that the reader keeps, as thin curves and as a list with settings and endings.
import { h, swatch } from "./dom.js";
import { percent } from "./numbers.js";

const MOST = 6;

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./run.js").Curve} Curve */
/** @typedef {{ number: number, color: string, nets: { text: string, look: Look, accuracy: Curve, loss: Curve }[], words: string, link: string | null, epochs: number }} KeptRun */

export class Kept {
  /**
   * @param {string[]} colors
   * @param {() => void} changed is called when the reader takes a run away
   */
  constructor(colors, changed) {
    this.colors = colors;
    this.changed = changed;
    /** @type {KeptRun[]} */
    this.runs = [];
    this.last = 0; // number of the latest
    this.list = h("ul");
    this.holder = h(
      "div",
      { class: "kept" },
      h("p", {}, "Kept runs: A solid, B dashed"),
      this.list,
    );
    this.show();
  }

  get isFull() {
    return this.runs.length >= MOST;
  }

  /** How many epochs their charts need. */
  get epochs() {
    return Math.max(0, ...this.runs.map((run) => run.epochs));
  }

  /** @param {"accuracy" | "loss"} which */
  curves(which) {
    return this.runs.flatMap((run) => run.nets.map((net) => net[which]));
  }

  /**
   * Keep a copy: the run itself may go on.
   * @param {Run} run
   * @param {string | null} link
   */
  add(run, link) {
    const taken = new Set(this.runs.map((one) => one.color));
    const color = this.colors.find((one) => !taken.has(one)) ?? this.colors[0];
    this.last += 1;
    const nets = run.nets.map((one) => {
      const look = { ...one.look, color };
      const thin = { look, label: `${this.last}${one.label}`, thin: true };
      const accuracy = { ...run.curveOf(one, "accuracy"), ...thin };
      const loss = { ...run.curveOf(one, "loss"), ...thin };
      return { look, text: endingOf(run, one), accuracy, loss };
    });
    const { epochs } = run.setting;
    this.runs.push({ number: this.last, color, nets, words: inWords(run), link, epochs });
    this.show();
  }

  /** @param {KeptRun} run */
  remove(run) {
    this.runs = this.runs.filter((one) => one !== run);
    this.show();
    this.changed();
  }

  show() {
    this.holder.hidden = !this.runs.length;
    this.list.replaceChildren(...this.runs.map((run) => this.item(run)));
  }

  /** @param {KeptRun} run */
  item(run) {
    const { number, nets, words, link } = run;
    const name = `Remove run ${number}`;
    const remove = h("button", { type: "button", "aria-label": name }, "Remove");
    remove.onclick = () => this.remove(run);
    const text = `${nets.map((net) => net.text).join("; ")} `;
    return h(
      "li",
      {},
      swatch(nets[0].look),
      h(
        "span",
        {},
        h("strong", {}, `${number} `),
        text,
        h("span", { class: "soft" }, `(${words})`),
      ),
      h("span", { class: "acts" }, ...(link === null ? [] : [linkTo(link, number)]), remove),
    );
  }
}

/**
 * @param {string} link
 * @param {number} number
 */
function linkTo(link, number) {
  const made = h("a", { href: link, "aria-label": `Link to run ${number}` }, "Link");
  // An address that the page has already changes nothing, so that nobody would hear of it.
  made.onclick = () => {
    if (location.hash === link) dispatchEvent(new HashChangeEvent("hashchange"));
  };
  return made;
}

/**
 * @param {Run} run
 * @param {import("./run.js").RunningNet} one
 */
function endingOf(run, one) {
  const last = one.evaluations.at(-1);
  const accuracy = last ? `: ${percent(last.correct / run.images)}` : "";
  return `${one.label} ${one.name}${one.failedAt ? ": non-finite" : accuracy}`;
}

/** @param {Run} run */
function inWords({ setting, step, perEpoch }) {
  const { lr, changes, batch, seed, epochs } = setting;
  const rates = [lr, ...changes.map((one) => one.lr)].join(" → ");
  const done = (step / perEpoch).toFixed(1).replace(".0", "");
  return `learning rate ${rates}, batch size ${batch}, seed ${seed}, ${done} of ${epochs} epochs`;
}
