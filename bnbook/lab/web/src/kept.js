// Runs that the reader keeps, as thin curves and as a list with settings and endings.
import { curveOf } from "./run.js";
import { addHtml, addSwatch, percent } from "./svg.js";

const MOST = 6;

export function createKept(holder, data, changed) {
  const runs = [];
  let number = 0;

  // A copy: the run itself may go on.
  function add(run, link) {
    const taken = new Set(runs.map((one) => one.colour));
    const colour = data.kept_colours.find((one) => !taken.has(one)) || data.kept_colours[0];
    number += 1;
    const nets = run.nets.map((one) => {
      const last = one.evaluations[one.evaluations.length - 1];
      return {
        label: number + one.label,
        look: { ...one.look, colour },
        broken: one.failedAt > 0,
        text: one.label + " " + one.name + (one.failedAt ? ": non-finite" : last ? ": " + percent(last.correct / run.images) : ""),
        accuracy: curveOf(run, one, "accuracy").points,
        loss: curveOf(run, one, "loss").points,
      };
    });
    const { lr, changes, batch, seed, epochs } = run.setting;
    const rates = [lr, ...changes.map((one) => one.lr)].join(" → ");
    const words = "learning rate " + rates + ", batch size " + batch + ", seed " + seed + ", " + (run.step / run.perEpoch).toFixed(1).replace(".0", "") + " of " + epochs + " epochs";
    runs.push({ number, colour, nets, words, link, epochs });
    show();
  }

  function show() {
    holder.hidden = !runs.length;
    const list = holder.querySelector("ul");
    list.replaceChildren();
    for (const run of runs) {
      const item = addHtml(list, "li", "");
      addSwatch(item, run.nets[0].look);
      const text = addHtml(item, "span", "");
      addHtml(text, "strong", String(run.number) + " ");
      text.append(run.nets.map((net) => net.text).join("; ") + " ");
      addHtml(text, "span", "(" + run.words + ")", { class: "soft" });
      const acts = addHtml(item, "span", "", { class: "acts" });
      addHtml(acts, "a", "Link", { href: run.link, "aria-label": "Link to run " + run.number });
      addHtml(acts, "button", "Remove", { type: "button", "aria-label": "Remove run " + run.number }).onclick = () => {
        runs.splice(runs.indexOf(run), 1);
        show();
        changed();
      };
    }
  }

  return {
    add,
    full: () => runs.length >= MOST,
    last: () => number,
    epochs: () => Math.max(0, ...runs.map((run) => run.epochs)),
    curves: (which) => runs.flatMap((run) => run.nets.map((net) => ({ ...net, points: net[which], thin: true }))),
  };
}
