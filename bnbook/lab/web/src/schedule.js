// When the nets of a run are evaluated.

const START = 10; // the first epoch's own evaluations begin at this part of it

/**
 * Whether it is time to evaluate after a step, a whole number from 0: at the start and at the end,
 * and every so many steps or after each epoch. Where it is each epoch, the first one has up to four
 * more, at 1, 2, 5, 10, 20, … steps from a tenth of it on: most of the way is made there, and on a
 * slow machine with small batches it is long.
 * @param {number} step
 * @param {{ perEpoch: number, total: number, every: "epoch" | number }} run
 */
export function isEvaluated(step, { perEpoch, total, every }) {
  if (step === 0 || step === total) return true;
  if (every !== "epoch") return step % every === 0;
  if (step < perEpoch) return START * step >= perEpoch && /^[125]0*$/.test(String(step));
  return step % perEpoch === 0;
}
