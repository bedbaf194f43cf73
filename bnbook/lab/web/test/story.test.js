import assert from "node:assert/strict";
import { test } from "node:test";
import { happened } from "../src/story.js";

/** @param {...[number, number]} counts steps and images right of 1,000 */
function curve(...counts) {
  const evaluations = counts.map(([step, correct]) => ({ step, correct, correctRunning: correct }));
  return { evaluations, failedAt: 0, recentLoss: 2.3 };
}

/** @type {[number, number][]} */
const GOAL = [
  [0, 100],
  [31, 949],
  [62, 950],
];
const STUCK = curve([0, 100], [1000, 120]);

/** @type {[string, Parameters<typeof happened>[0], string, string][]} */
const CASES = [
  ["before training", curve(GOAL[0]), "waiting", "Before training: 10.0%"],
  ["one image short of the goal", curve(GOAL[0], GOAL[1]), "learning", "Learning: now 94.9%"],
  ["at the goal", curve(...GOAL), "reached", "Reached 95% after 62 steps; now 95.0%"],
  [
    "fallen from the goal",
    curve(...GOAL, [93, 199]),
    "collapsed",
    "Reached 95% after 62 steps; collapsed to chance by step 93",
  ],
  [
    "at chance-level loss",
    { ...STUCK, recentLoss: 2.31 },
    "plateau",
    "Still at chance after 1,000 steps: a plateau at chance-level loss",
  ],
  [
    "with a larger loss",
    { ...STUCK, recentLoss: 2.5 },
    "thrown",
    "Still at chance after 1,000 steps: the loss is above chance level; the steps are too large",
  ],
  [
    "no number any more",
    { ...curve(GOAL[0], GOAL[1]), failedAt: 40 },
    "non-finite",
    "The loss became non-finite at step 40",
  ],
];

for (const [name, run, kind, text] of CASES) {
  test(`what happened is told from counts and losses: ${name}`, () => {
    assert.deepEqual(happened(run, 1000, false), { kind, text });
  });
}

test("where running statistics see another net, both accuracies are told", () => {
  const run = curve([0, 100], [31, 900]);
  run.evaluations[1].correctRunning = 850;
  assert.equal(happened(run, 1000, true).text, "At the end 90.0% (running: 85.0%)");
});
