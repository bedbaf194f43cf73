import assert from "node:assert/strict";
import { test } from "node:test";
import { createLosses } from "../src/losses.js";
import { histogram, shareAlive } from "../src/panels.js";
import { accuracyScale, lossScale } from "../src/plots.js";

/** @param {number[]} values */
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
/** @param {number} a @param {number} b @param {number} by */
const near = (a, b, by = 1e-9) => assert.ok(Math.abs(a - b) <= by, `${a} is not near ${b}`);

test("points of a loss curve are means of equal stretches and do not move", () => {
  const losses = Array.from({ length: 1000 }, (_, i) => 1 + Math.sin(i * i));
  const curve = createLosses(1000, 100, 50);
  const seen = losses.map((loss) => {
    curve.push(loss);
    return curve.points();
  });
  const whole = seen[999];
  assert.deepEqual(
    whole.map(([step]) => step),
    Array.from({ length: 100 }, (_, i) => 10 * i + 5),
  );
  whole.forEach(([, value], i) => {
    near(value, mean(losses.slice(10 * i, 10 * i + 10)));
  });
  assert.deepEqual(seen[499], whole.slice(0, 50));
  near(curve.recent(), mean(losses.slice(-50)));
});

test("the live share counts what lies where the sigmoid is steep", () => {
  const steep = Math.log((1 + Math.sqrt(0.9)) / (1 - Math.sqrt(0.9)));
  const flat = new Array(64).fill(1 / 64); // uniform over -8 to 8
  near(shareAlive(flat, 8, "sigmoid"), steep / 8);
  near(shareAlive(flat, 8, "relu"), 0.5);
});

test("bins at the ends of a histogram take the rest", () => {
  assert.deepEqual(histogram([-9, 0.1, 0.9, 9], 0, 1, 4), [1, 0, 1, 2]);
});

test("the accuracy axis keeps 98% and 99% as far apart as 96% and 98%", () => {
  const { place, ticks } = accuracyScale([0, 0.98], 0.992);
  near(place(0.99) - place(0.98), place(0.98) - place(0.96));
  assert.equal(place(1), 1);
  assert.deepEqual(
    ticks.map(([, text]) => text),
    ["0%", "98%"],
  );
});

test("ticks enclose the losses, and what is beyond stands at the edge", () => {
  const ticks = [0.01, 0.1, 1, 10];
  const scale = lossScale(ticks, 0.2, 0.9);
  assert.deepEqual(
    scale.ticks.map(([, text]) => text),
    ["0.1", "1"],
  );
  assert.equal(scale.place(100), 1);
  assert.ok(Number.isNaN(scale.place(Number.POSITIVE_INFINITY)));
});
