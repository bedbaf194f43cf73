// The book's statistics on the page: what bnbook.findings does, for the reader's own runs. A test
// holds both to the same answers.

/** @typedef {{ mean: number, low: number, high: number }} Interval */
/** @typedef {"supported" | "refuted" | "undecided"} Decision */
/**
 * A difference a − b over seeds, as `bnbook.findings.paired` makes it.
 * @typedef {Interval & {
 *   n: number, failedA: number, failedB: number,
 *   pDifference: number, pEquivalence: number,
 * }} Paired
 */
/**
 * One of several comparisons: p-values and interval are adjusted for their number.
 * @typedef {Paired & { finding: string }} Compared
 */

export const CHANCE = 0.1; // accuracy of a blind guess, and of a net that outputs NaN
export const GUESS = Math.log(10); // the loss of a blind guess
export const AT_CHANCE = 0.2; // accuracy below which a net is at chance
export const EXCESS = 0.02; // of a loss over that of a blind guess: the net was thrown off
const LEVEL = 0.05;
const ROUNDING = 1e-9; // accuracies are counts over images: less is no difference

export const DIFFERENT = "different";
export const SMALL = "different, but within the margin";
export const EQUIVALENT = "equivalent within the margin";
export const UNDECIDED = "no detectable difference";
export const ONE_TRAINS = "only one of them trains";

/** @param {number[]} values */
const sum = (values) => values.reduce((a, b) => a + b, 0);

/** @param {number[]} values */
export const mean = (values) => sum(values) / values.length;

/**
 * The middle value; NaN of none.
 * @param {number[]} values
 */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * Sample standard deviation; NaN for fewer than two values.
 * @param {number[]} values
 */
function deviation(values) {
  const center = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - center) ** 2)) / (values.length - 1));
}

/**
 * B(a, 1/2) for a = 1/2, 1, 3/2, …, as degrees of freedom have it: no gamma function is needed.
 * @param {number} a
 */
function betaHalf(a) {
  let value = Number.isInteger(a) ? 2 : Math.PI;
  for (let b = Number.isInteger(a) ? 1 : 0.5; b < a; b++) value *= b / (b + 0.5);
  return value;
}

const TERMS = 200; // of the continued fraction; some dozens would do

/**
 * The continued fraction of the incomplete beta function (DLMF 8.17.22), from its far end.
 * @param {number} x
 * @param {number} a
 * @param {number} b
 */
function betaFraction(x, a, b) {
  /** @param {number} i */
  const term = (i) => {
    const m = i >> 1;
    const up = i % 2 ? -(a + m) * (a + b + m) : m * (b - m);
    return (up * x) / ((a + i - 1) * (a + i));
  };
  let value = 1;
  for (let i = TERMS; i > 0; i--) value = 1 + term(i) / value;
  return 1 / value;
}

/**
 * P(|T| > t) of Student's t with a whole number of degrees of freedom, both tails.
 * @param {number} t
 * @param {number} freedom
 */
export function tTails(t, freedom) {
  const [a, b] = [freedom / 2, 0.5];
  const x = freedom / (freedom + t * t);
  const front = (x ** a * (1 - x) ** b) / betaHalf(a);
  if (x < (a + 1) / (a + b + 2)) return (front * betaFraction(x, a, b)) / a;
  return 1 - (front * betaFraction(1 - x, b, a)) / b;
}

/**
 * The t beyond which, on both sides together, `tails` of Student's distribution lie.
 * @param {number} tails
 * @param {number} freedom
 */
export function tBeyond(tails, freedom) {
  let [low, high] = [0, 1];
  while (tTails(high, freedom) > tails) high *= 2;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (tTails(middle, freedom) > tails) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Mean with its 95% t interval; NaN limits for fewer than two values.
 * @param {number[]} values
 * @returns {Interval}
 */
export function interval(values) {
  const center = mean(values);
  const n = values.length;
  const half = n < 2 ? NaN : (tBeyond(LEVEL, n - 1) * deviation(values)) / Math.sqrt(n);
  return { mean: center, low: center - half, high: center + half };
}

/**
 * The p-values of differences: of none (paired t), and of at least `margin` (two one-sided tests).
 * Without any spread they are their limits, 0 or 1; for fewer than two differences NaN.
 * @param {number[]} differences
 * @param {number} margin
 */
function tests(differences, margin) {
  const n = differences.length;
  if (n < 2) return { pDifference: NaN, pEquivalence: NaN };
  const shift = mean(differences);
  if (Math.max(...differences) - Math.min(...differences) < ROUNDING) {
    const size = Math.abs(shift);
    return { pDifference: Number(size < ROUNDING), pEquivalence: Number(size >= margin) };
  }
  const error = deviation(differences) / Math.sqrt(n);
  const inside = (margin - Math.abs(shift)) / error; // the nearer of the two limits decides
  const tails = tTails(Math.abs(inside), n - 1) / 2;
  return {
    pDifference: tTails(Math.abs(shift) / error, n - 1),
    pEquivalence: inside > 0 ? tails : 1 - tails,
  };
}

/**
 * Compare two nets seed by seed; both lists have the same seeds in the same order.
 * @param {{ accuracy: number, trained: boolean }[]} a
 * @param {{ accuracy: number, trained: boolean }[]} b
 * @param {number} margin
 * @returns {Paired}
 */
export function paired(a, b, margin) {
  const differences = a.map((one, i) => one.accuracy - b[i].accuracy);
  return {
    n: a.length,
    ...interval(differences),
    ...tests(differences, margin),
    failedA: a.filter((one) => !one.trained).length,
    failedB: b.filter((one) => !one.trained).length,
  };
}

/**
 * Holm's step-down adjustment (Holm 1979), not cut at 1.
 * @param {number[]} ps
 */
function stepped(ps) {
  const order = ps.map((_, i) => i).sort((i, j) => ps[i] - ps[j]);
  const found = new Array(ps.length);
  let least = 0;
  order.forEach((i, rank) => {
    least = Math.max(least, ps[i] * (ps.length - rank));
    found[i] = least;
  });
  return found;
}

/**
 * A missing p-value counts as 1.
 * @param {number[]} ps
 */
export function holm(ps) {
  return stepped(ps.map((p) => (Number.isNaN(p) ? 1 : p))).map((p) => Math.min(p, 1));
}

/**
 * Name what a pair of (adjusted) p-values shows.
 * @param {number} pDifference
 * @param {number} pEquivalence
 */
function classify(pDifference, pEquivalence) {
  if (pDifference < LEVEL) return pEquivalence < LEVEL ? SMALL : DIFFERENT;
  return pEquivalence < LEVEL ? EQUIVALENT : UNDECIDED;
}

/**
 * Adjust several comparisons for their number, and name what each shows. Where all runs of one net
 * train and none of the other, and yet the t test is undecided, the finding says just that.
 * @param {Paired[]} pairs
 * @returns {Compared[]}
 */
export function compared(pairs) {
  const apart = holm(pairs.map((pair) => pair.pDifference));
  const equal = holm(pairs.map((pair) => pair.pEquivalence));
  // Where p is 0, the factor is that of the smallest there is, as in Python.
  const floor = pairs.map((pair) => Math.max(pair.pDifference || 0, Number.MIN_VALUE));
  const ps = floor.map((p, i) => (Number.isNaN(pairs[i].pDifference) ? 1 : p));
  const times = stepped(ps).map((p, i) => p / ps[i]);
  return pairs.map((pair, i) => {
    const freedom = Math.max(pair.n - 1, 1);
    const wider = tBeyond(LEVEL / times[i], freedom) / tBeyond(LEVEL, freedom);
    const half = (pair.high - pair.mean) * wider;
    const split =
      pair.failedA + pair.failedB === pair.n && Math.min(pair.failedA, pair.failedB) === 0;
    const finding = classify(apart[i], equal[i]);
    return {
      ...pair,
      low: pair.mean - half,
      high: pair.mean + half,
      pDifference: apart[i],
      pEquivalence: equal[i],
      finding: split && finding === UNDECIDED ? ONE_TRAINS : finding,
    };
  });
}

/**
 * Decide a question from its comparisons: whether each first net is "above" its second, "below" it,
 * or the "same". Supported where all say so, refuted where one says the contrary.
 * @param {Compared[]} rows
 * @param {"above" | "below" | "same"} direction
 * @returns {Decision}
 */
export function decide(rows, direction) {
  const found = rows.map((row) => decideOne(row, direction));
  if (found.every((one) => one === "supported")) return "supported";
  return found.includes("refuted") ? "refuted" : "undecided";
}

/**
 * @param {Compared} row
 * @param {"above" | "below" | "same"} direction
 * @returns {Decision}
 */
function decideOne(row, direction) {
  const within = row.finding === EQUIVALENT || row.finding === SMALL;
  if (row.finding === UNDECIDED) return "undecided";
  if (direction === "same") return within ? "supported" : "refuted";
  if (row.finding === EQUIVALENT) return "refuted";
  return row.mean > 0 === (direction === "above") ? "supported" : "refuted";
}

/**
 * Learning rates at which half of the seeds or more train, and the rates just beyond: 0 below and
 * Infinity above where none was tried. Null for a net that trains at none.
 * @param {{ lr: number, share: number }[]} shares
 */
export function limits(shares) {
  const train = shares.filter((one) => one.share >= 0.5).map((one) => one.lr);
  if (!train.length) return null;
  const [first, last] = [Math.min(...train), Math.max(...train)];
  const tried = shares.map((one) => one.lr);
  return {
    below: Math.max(0, ...tried.filter((lr) => lr < first)),
    first,
    last,
    above: Math.min(Infinity, ...tried.filter((lr) => lr > last)),
  };
}

/**
 * Decide whether a net trains up to rates at least `factor` times as high as another's.
 * @param {ReturnType<typeof limits>} a
 * @param {ReturnType<typeof limits>} b
 * @param {number} factor
 * @returns {Decision}
 */
export function decideLimits(a, b, factor) {
  if (!a || !b) return "undecided";
  if (a.last / b.above >= factor) return "supported";
  return a.above / b.last < factor ? "refuted" : "undecided";
}

/**
 * Name how a run ended, as `bnbook.training.judge` does, from its evaluations.
 * @param {{ correct: number, trainLoss: number, loss: number }[]} rows
 * @param {number} images that validate
 * @param {boolean} alive false once a loss was no number
 * @param {number} enough final accuracy from which on a run counts as trained
 */
export function judge(rows, images, alive, enough) {
  const last = rows[rows.length - 1];
  if (!alive || !Number.isFinite(last.loss)) return "non-finite";
  if (last.correct >= enough * images) return "trained";
  /** @param {{ correct: number }} row */
  const off = (row) => row.correct >= AT_CHANCE * images;
  if (off(last)) return "not yet trained";
  const broken = rows.some(off) || last.trainLoss > GUESS + EXCESS;
  return broken ? "collapsed" : "not yet trained";
}
