import assert from "node:assert/strict";
import { test } from "node:test";
import {
  compared,
  DIFFERENT,
  decide,
  decideLimits,
  EQUIVALENT,
  interval,
  judge,
  limits,
  median,
  ONE_TRAINS,
  paired,
  tBeyond,
  tTails,
  UNDECIDED,
} from "../src/statistics.js";

/** @param {number} a @param {number} b @param {number} [by] */
const near = (a, b, by = 1e-6) => assert.ok(Math.abs(a - b) <= by, `${a} is not near ${b}`);
/** @param {number[]} accuracies */
const runs = (accuracies) => accuracies.map((accuracy) => ({ accuracy, trained: accuracy >= 0.9 }));
/** @param {number[]} a @param {number[]} b */
const alone = (a, b) => compared([paired(runs(a), runs(b), 0.002)]);

test("quantiles of Student's t are those of the printed tables", () => {
  near(tBeyond(0.05, 1), 12.7062047364);
  near(tBeyond(0.05, 4), 2.7764451052);
  near(tBeyond(0.01, 9), 3.2498355416);
  near(tBeyond(0.05, 50), 2.0085591121);
});

test("a quantile has the tails that it was asked for", () => {
  for (let freedom = 1; freedom <= 50; freedom++) {
    for (const tails of [0.9, 0.1, 0.05, 0.001]) {
      near(tTails(tBeyond(tails, freedom), freedom) / tails, 1, 1e-9);
    }
  }
});

test("one value has a mean and no limits", () => {
  const { mean, low, high } = interval([0.97]);
  assert.equal(mean, 0.97);
  assert.ok(Number.isNaN(low) && Number.isNaN(high));
});

test("equal nets are equivalent from two seeds on, and unknown from one", () => {
  assert.equal(alone([0.96, 0.94], [0.96, 0.94])[0].finding, EQUIVALENT);
  assert.equal(alone([0.96], [0.96])[0].finding, UNDECIDED);
});

test("where one net trains and the other scatters, the counts decide", () => {
  const [row] = alone([0.97, 0.97], [0.1, 0.85]);
  assert.equal(row.finding, ONE_TRAINS);
  assert.equal(decide([row], "above"), "supported");
  assert.equal(decide([row], "below"), "refuted");
  assert.equal(decide([row], "same"), "refuted");
});

test("a claim about several nets needs all of them, and falls with one", () => {
  const [clear] = alone([0.93, 0.931, 0.932], [0.96, 0.961, 0.963]);
  const [vague] = alone([0.93, 0.96, 0.94], [0.96, 0.93, 0.95]);
  assert.equal(clear.finding, DIFFERENT);
  assert.equal(decide([clear, clear], "below"), "supported");
  assert.equal(decide([clear, vague], "below"), "undecided");
  assert.equal(decide([clear, vague, { ...clear, mean: 0.03 }], "below"), "refuted");
});

test("of equivalent nets none is above the other, and they are the same", () => {
  const rows = alone([0.96, 0.95], [0.96, 0.95]);
  assert.equal(decide(rows, "above"), "refuted");
  assert.equal(decide(rows, "same"), "supported");
});

test("limits are the rates at which half of the seeds train, and the next ones", () => {
  const shares = [
    { lr: 0.1, share: 0.4 },
    { lr: 0.5, share: 0.5 },
    { lr: 2, share: 1 },
    { lr: 8, share: 0 },
  ];
  assert.deepEqual(limits(shares), { below: 0.1, first: 0.5, last: 2, above: 8 });
  assert.equal(limits([{ lr: 1, share: 0.2 }]), null);
});

test("a bracket decides where both its ends do", () => {
  /** @param {number} last @param {number} above */
  const upTo = (last, above) => ({ below: 0, first: 0.1, last, above });
  assert.equal(decideLimits(upTo(8, Infinity), upTo(2, 4), 2), "supported");
  assert.equal(decideLimits(upTo(2, 3), upTo(2, 4), 2), "refuted");
  assert.equal(decideLimits(upTo(4, 8), upTo(2, 4), 2), "undecided");
  assert.equal(decideLimits(upTo(8, Infinity), null, 2), "undecided");
});

test("a run ends as its evaluations say", () => {
  const guess = Math.log(10);
  /** @param {number} correct @param {number} trainLoss @param {number} [loss] */
  const row = (correct, trainLoss, loss = trainLoss) => ({ correct, trainLoss, loss });
  const start = row(100, Number.NaN, guess);
  /** @type {[any[], boolean, string][]} */
  const cases = [
    [[start, row(900, 0.3)], true, "trained"],
    [[start, row(899, 0.3)], true, "not yet trained"],
    [[start, row(120, guess)], true, "not yet trained"],
    [[start, row(120, guess + 0.03)], true, "collapsed"],
    [[start, row(500, 1), row(120, guess)], true, "collapsed"],
    [[start, row(950, 0.1, Number.NaN)], true, "non-finite"],
    [[start, row(950, 0.1)], false, "non-finite"],
  ];
  for (const [rows, alive, outcome] of cases) {
    assert.equal(judge(rows, 1000, alive, 0.9), outcome);
  }
});

test("the median of an even number of values is between the middle two", () => {
  assert.equal(median([3, 1, 2, 10]), 2.5);
  assert.ok(Number.isNaN(median([])));
});
