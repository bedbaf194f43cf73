// What the runs of an experiment show: counts, paired differences, and the chapter's rule on them.
import { percent, written } from "./numbers.js";
import { jobsOf, list } from "./plan.js";
import {
  CHANCE,
  compared,
  DIFFERENT,
  decide,
  decideLimits,
  EQUIVALENT,
  judge,
  limits,
  median,
  ONE_TRAINS,
  paired,
  SMALL,
} from "./statistics.js";

/** @typedef {import("./plan.js").Plan} Plan */
/** @typedef {import("./statistics.js").Compared} Compared */
/** @typedef {import("./statistics.js").Decision} Decision */
/** @typedef {{ seed: number, accuracy: number, outcome: string, trained: boolean }} Judged */
/** @typedef {{ net: number, rate: number, lr: number, label: string, runs: (Judged | null)[] }} Cell runs by seed, null where one is still to come */
/** @typedef {Compared & { a: Cell, b: Cell, equal: number }} Comparison `equal`: pairs without any difference */

/**
 * Judge a run; one that outputs NaN names the same class every time.
 * @param {number} seed
 * @param {Ended} ended
 * @param {number} enough
 * @returns {Judged}
 */
function judged(seed, { rows, images, alive }, enough) {
  const outcome = judge(rows, images, alive, enough);
  const last = rows[rows.length - 1];
  const accuracy = outcome === "non-finite" ? CHANCE : last.correct / images;
  return { seed, accuracy, outcome, trained: outcome === "trained" };
}

/**
 * The runs by rate and net; `ended` is in the order of the plan's jobs.
 * @param {Plan} plan
 * @param {(Ended | undefined)[]} ended
 * @param {number} enough the accuracy from which on a run counts as trained
 * @returns {Cell[]}
 */
export function cellsOf(plan, ended, enough) {
  /** @type {Cell[]} */
  const cells = plan.nets[0].lrs.flatMap((_, rate) =>
    plan.nets.map(({ label, lrs }, net) => ({ net, rate, lr: lrs[rate], label, runs: [] })),
  );
  jobsOf(plan).forEach(({ net, rate, seed }, i) => {
    const one = ended[i];
    const cell = cells[rate * plan.nets.length + net];
    cell.runs.push(one ? judged(seed, one, enough) : null);
  });
  return cells;
}

/** @param {Cell} cell */
export const present = (cell) => cell.runs.filter((run) => run !== null);

/**
 * Counts, and the median of the runs that trained; of all, where all ended alike.
 * @param {Cell} cell
 */
export function tally(cell) {
  const runs = present(cell);
  const trained = runs.filter((run) => run.trained);
  const typical = outcomesOf(cell).length === 1 ? runs : trained;
  return {
    runs: runs.length,
    trained: trained.length,
    median: median(typical.map((run) => run.accuracy)),
  };
}

/**
 * How the runs ended, each way once.
 * @param {Cell} cell
 */
function outcomesOf(cell) {
  return [...new Set(present(cell).map((run) => run.outcome))];
}

/**
 * "5 of 5 train, median 96.6%": no mean, as a net that fails is not half a net that trains.
 * @param {Cell} cell
 */
export function tallyInWords(cell) {
  const { runs, trained, median: middle } = tally(cell);
  if (!runs) return "";
  const failed = outcomesOf(cell).filter((outcome) => outcome !== "trained");
  const words = failed.length ? ` (others: ${failed.join(", ")})` : "";
  const some = trained > 0 && trained < runs ? " of these" : "";
  const half = Number.isFinite(middle) ? `, median${some} ${percent(middle)}` : "";
  return `${trained} of ${runs} train${half}${trained ? words : words.replace("others: ", "")}`;
}

/**
 * Compare nets, rate by rate, over the seeds that both have.
 * @param {Cell[]} cells
 * @param {[number, number][]} contrasts places of nets
 * @param {number} margin
 * @returns {Comparison[]}
 */
export function compare(cells, contrasts, margin) {
  const rates = [...new Set(cells.map((cell) => cell.rate))];
  const couples = rates.flatMap((rate) => {
    const here = cells.filter((cell) => cell.rate === rate);
    return contrasts.map(([a, b]) => ({ a: here[a], b: here[b], ...matched(here[a], here[b]) }));
  });
  const rows = compared(couples.map(({ first, second }) => paired(first, second, margin)));
  return rows.map((row, i) => {
    const { a, b, first, second } = couples[i];
    const equal = first.filter((run, j) => run.accuracy === second[j].accuracy).length;
    return { ...row, a, b, equal };
  });
}

/**
 * @param {Cell} a
 * @param {Cell} b
 */
function matched(a, b) {
  const first = [];
  const second = [];
  for (const [i, run] of a.runs.entries()) {
    const other = b.runs[i];
    if (run && other) {
      first.push(run);
      second.push(other);
    }
  }
  return { first, second };
}

/**
 * Which nets are compared: as the chapter does, else each with the first.
 * @param {Plan} plan
 * @param {Trial} trial
 * @param {boolean} isClaimed
 * @returns {[number, number][]}
 */
export function contrastsOf(plan, trial, isClaimed) {
  if (isClaimed) return trial.contrasts;
  return plan.nets.slice(1).map((_, i) => [0, i + 1]);
}

/**
 * The learning rates at which each net trains, in the order of the nets.
 * @param {Cell[]} cells
 */
function limitsOf(cells) {
  const nets = [...new Set(cells.map((cell) => cell.net))];
  return nets.map((net) => {
    const mine = cells.filter((cell) => cell.net === net);
    return limits(
      mine.map((cell) => ({ lr: cell.lr, share: tally(cell).trained / tally(cell).runs })),
    );
  });
}

/**
 * The chapter's rule on the reader's runs.
 * @param {Trial} trial
 * @param {Cell[]} cells
 * @param {Comparison[]} rows
 * @returns {Decision}
 */
export function decision(trial, cells, rows) {
  if (trial.direction !== "limits") return decide(rows, trial.direction);
  const found = limitsOf(cells);
  const [[a, b]] = trial.contrasts;
  return decideLimits(found[a], found[b], trial.factor);
}

/**
 * @param {number} share
 * @param {boolean} [signed]
 */
function inPoints(share, signed = false) {
  if (!Number.isFinite(share)) return "–";
  const text = (100 * share).toFixed(2).replace(/^-(0\.00)$/, "$1");
  return written(signed && share > 0 && text !== "0.00" ? `+${text}` : text);
}

/**
 * "+0.24 points [0.02, 0.46]"
 * @param {{ mean: number, low: number, high: number }} row
 * @param {boolean} [signed]
 */
export function points({ mean, low, high }, signed = true) {
  return `${inPoints(mean, signed)} points [${inPoints(low)}, ${inPoints(high)}]`;
}

/**
 * Whether a mean difference is like the pairs that it is of: not where some runs fail, or one net.
 * @param {Comparison} row
 */
function isAlike({ a, b, failedA, failedB, n }) {
  const alike = outcomesOf(a).length === 1 && outcomesOf(b).length === 1;
  return alike && (failedA + failedB === 0 || failedA + failedB === 2 * n);
}

/** @param {Comparison} row */
export function difference(row) {
  return isAlike(row) ? points(row) : "–";
}

/**
 * @param {Cell} cell
 * @param {boolean} withRate
 */
function quoted(cell, withRate) {
  return `“${cell.label}”${withRate ? ` at ${cell.lr}` : ""}`;
}

/**
 * A comparison in a sentence.
 * @param {Comparison} row
 * @param {number} margin
 * @param {boolean} [withRate]
 */
export function sentence(row, margin, withRate = false) {
  const [a, b] = [quoted(row.a, withRate), quoted(row.b, withRate)];
  if (!isAlike(row)) {
    const counts = `${a} trains with ${row.n - row.failedA} of ${row.n} seeds, ${b} with ${row.n - row.failedB}`;
    return row.finding === ONE_TRAINS || row.finding === DIFFERENT
      ? `${counts}.`
      : `${counts}: no detectable difference.`;
  }
  if (row.equal === row.n) {
    return `In all ${row.n} pairs, ${a} and ${b} classify the same number of images correctly.`;
  }
  const within = `${inPoints(margin)} points`;
  const side = row.mean > 0 ? "above" : "below";
  const size = Math.sign(row.mean);
  const [low, high] = [size * row.low, size * row.high].sort((x, y) => x - y);
  const by = points({ mean: Math.abs(row.mean), low, high }, false);
  if (row.finding === EQUIVALENT) {
    return `${a} and ${b} end within ${within} of each other: ${points(row)}.`;
  }
  if (row.finding === DIFFERENT) return `${a} ends ${side} ${b}, by ${by}.`;
  if (row.finding === SMALL) return `${a} ends ${side} ${b}, but within ${within}: by ${by}.`;
  return `We cannot tell ${a} from ${b}: ${points(row)}.`;
}

/**
 * How far up each net trains, in a sentence.
 * @param {Cell[]} cells
 */
export function limitsInWords(cells) {
  const labels = cells.filter((cell) => cell.rate === 0).map((cell) => `“${cell.label}”`);
  const found = limitsOf(cells);
  const parts = labels.map((label, i) => {
    const one = found[i];
    if (!one) return `${label} trains at none of these rates`;
    const end = Number.isFinite(one.above) ? `and fails at ${one.above}` : "the highest we tried";
    return `${label} trains up to ${one.last}${Number.isFinite(one.above) ? " " : ", "}${end}`;
  });
  return `${parts.join("; ")}.`;
}

/**
 * What complete runs say: the decision, if the chapter's claim is about them, and why.
 * @param {Plan} plan
 * @param {Trial} trial
 * @param {boolean} isClaimed
 * @param {Cell[]} cells
 * @param {Comparison[]} rows
 */
export function verdict(plan, trial, isClaimed, cells, rows) {
  const several = plan.nets[0].lrs.length > 1;
  const decided = isClaimed ? decision(trial, cells, rows) : null;
  let why = rows.map((row) => sentence(row, trial.margin, several));
  if (several) why = [limitsInWords(cells)];
  else if (!rows.length) why = [`${quoted(cells[0], false)}: ${tallyInWords(cells[0])}.`];
  else if (rows.length > 1 && decided) why = [tallyOfRows(rows, trial)];
  return { decision: decided, why: why.join(" ") };
}

/**
 * @param {Comparison[]} rows
 * @param {Trial} trial
 */
function tallyOfRows(rows, { direction }) {
  if (direction === "limits") return "";
  const found = rows.map((row) => decide([row], direction));
  /** @param {string} which @param {string} word */
  const count = (which, word) => {
    const labels = rows.filter((_, i) => found[i] === which).map((row) => `“${row.b.label}”`);
    return labels.length ? [`${word} for ${list(labels)}`] : [];
  };
  const parts = [
    ...count("supported", "it holds"),
    ...count("refuted", "the reverse"),
    ...count("undecided", "cannot tell"),
  ];
  return `“${rows[0].a.label}” ends ${direction} the others? ${parts.join("; ")}.`;
}

/**
 * All evaluations as comma-separated values, a row for each, to read with pandas.
 * @param {Plan} plan
 * @param {(Ended | undefined)[]} ended
 * @param {number} enough
 * @param {(net: Net) => string} codeOf
 */
export function csv(plan, ended, enough, codeOf) {
  const heads =
    "net,code,lr,batch_size,seed,step,correct,images,train_loss,val_loss,outcome,weights";
  const lines = jobsOf(plan).flatMap(({ net, seed, setting }, i) => {
    const one = ended[i];
    if (!one) return [];
    const { label, net: described } = plan.nets[net];
    const { outcome } = judged(seed, one, enough);
    const name = `"${label.replaceAll('"', '""')}"`;
    const run = [name, codeOf(described), setting.lr, setting.batch, seed];
    return one.rows.map(({ step, correct, trainLoss, loss }) => {
      const losses = [trainLoss, loss].map((value) => (Number.isFinite(value) ? value : ""));
      return [...run, step, correct, one.images, ...losses, outcome, one.hash].join(",");
    });
  });
  return `${[heads, ...lines].join("\n")}\n`;
}
