import assert from "node:assert/strict";
import { test } from "node:test";
import { isEvaluated } from "../src/schedule.js";

/**
 * @param {number} perEpoch
 * @param {number} total
 * @param {"epoch" | number} every
 */
function steps(perEpoch, total, every) {
  const all = Array.from({ length: total + 1 }, (_, step) => step);
  return all.filter((step) => isEvaluated(step, { perEpoch, total, every }));
}

test("each epoch is evaluated, and the first one on its way", () => {
  assert.deepEqual(steps(31, 93, "epoch"), [0, 5, 10, 20, 31, 62, 93]);
  assert.deepEqual(steps(2000, 4000, "epoch"), [0, 200, 500, 1000, 2000, 4000]);
  assert.deepEqual(steps(7, 14, "epoch"), [0, 1, 2, 5, 7, 14]);
});

test("an epoch of any length has few evaluations, the first of them early", () => {
  for (let perEpoch = 1; perEpoch <= 4000; perEpoch++) {
    const [start, first, ...rest] = steps(perEpoch, perEpoch, "epoch");
    assert.equal(start, 0);
    assert.ok(first === 1 || first <= perEpoch / 4, `${first} of ${perEpoch} steps`);
    assert.ok(rest.length <= 4);
  }
});

test("where a number of steps is chosen, that number is kept", () => {
  assert.deepEqual(steps(7, 14, 5), [0, 5, 10, 14]);
  assert.deepEqual(steps(2000, 4000, Number.POSITIVE_INFINITY), [0, 4000]);
});
