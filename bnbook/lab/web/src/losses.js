// The losses of a run, as a chart needs them.
import { mean } from "./statistics.js";

/**
 * Means of equal stretches of steps, at most about as many as a chart is wide: points do not
 * move while the run grows, and a hundred thousand steps need no memory.
 * @param {number} total
 * @param {number} most
 * @param {number} perEpoch
 */
export function createLosses(total, most, perEpoch) {
  const stretch = Math.ceil(total / most);
  /** @type {number[]} */
  const sums = [];
  /** @type {number[]} */
  const tail = [];
  let count = 0;
  return {
    /** @param {number} loss */
    push(loss) {
      const index = Math.floor(count / stretch);
      sums[index] = (sums[index] ?? 0) + loss;
      count += 1;
      if (tail.push(loss) > perEpoch) tail.shift();
    },
    /**
     * [[step, mean loss], …], each at the middle of its stretch.
     * @returns {[number, number][]}
     */
    points() {
      /** @type {[number, number][]} */
      const points = sums.map((sum, i) => {
        const steps = Math.min(stretch, count - i * stretch);
        return [i * stretch + steps / 2, sum / steps];
      });
      // A few steps alone would be a jump that the next ones take back.
      const few = count % stretch && 2 * (count % stretch) < stretch && points.length > 1;
      return few ? points.slice(0, -1) : points;
    },
    /** Mean over the last epoch. */
    recent: () => mean(tail),
  };
}
