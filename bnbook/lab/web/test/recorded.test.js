import assert from "node:assert/strict";
import { test } from "node:test";
import { accuracyChart, Choice, curvesTable, settingsTable } from "../src/recorded_runs.js";

const LOOK = { color: "#000", dash: "none", marker: "circle" };

/** @param {string} final @returns {RecordedCell} */
const cell = (final) => ({
  mean: [0.1, 0.9],
  low: [null, 0.8],
  high: [null, 0.95],
  loss: [null, 0.3],
  seeds: [[0.1, 0.9]],
  losses: [[null, 0.3]],
  trained: "1 of 1",
  final,
  text: "",
});

/** Two arms over two batch sizes and three rates; the second arm was run at one setting. */
const data = /** @type {RecordedData} */ ({
  lrs: [0.1, 1, 10],
  batch_sizes: [32, 128],
  start: [1, 0],
  arms: [
    { ...LOOK, label: "With" },
    { ...LOOK, label: "Without" },
  ],
  at: [0, 3],
  best: 0.99,
  accuracy_ticks: [0, 0.9],
  loss_ticks: [0.1, 1],
  losses: [0.3, 0.3],
  cells: [
    [
      [cell("a"), null, null],
      [cell("b"), cell("c"), null],
    ],
    [
      [null, null, null],
      [null, null, cell("d")],
    ],
  ],
  about: "",
});

test("of settings that are not recorded, one of the same batch size is nearest", () => {
  const choice = new Choice(data);
  assert.equal(choice.nearest(0)?.cell.final, "a");
  choice.batch = 1;
  assert.equal(choice.nearest(0)?.cell.final, "c");
  assert.equal(choice.nearest(0)?.distance, 0);
});

test("a setting without runs is said, with the nearest one; one with runs needs no words", () => {
  const [one, other] = new Choice(data).shown;
  assert.match(new Choice(data).remark(one), /at learning rate 1 and batch size 32; .*0\.1 and/);
  assert.match(new Choice(data).remark(other), /learning rate 10 and batch size 128\.$/);
  assert.equal(new Choice(data).remark({ ...one, distance: 0 }), "");
});

test("a hidden arm is neither drawn nor in the table", () => {
  const choice = new Choice(data);
  choice.hidden.add(0);
  assert.deepEqual(
    choice.shown.map(({ arm }) => arm.label),
    ["Without"],
  );
  const [heads, rows] = curvesTable(data, choice.shown);
  assert.deepEqual(heads, ["Epoch", "Net", "Accuracy", "Loss"]);
  assert.deepEqual([...new Set(rows.map(([, net]) => net))], ["Without"]);
});

test("epochs that were not evaluated leave no gap in a curve and no room in the table", () => {
  const { shown } = new Choice(data);
  const chart = accuracyChart(data, shown);
  assert.deepEqual(chart.curves[0].points, [
    [0, 0.1],
    [3, 0.9],
  ]);
  assert.deepEqual(chart.bands[0].low, [null, null, null, 0.8]);
  const rows = curvesTable(data, shown)[1];
  assert.deepEqual(
    rows.map(([epoch]) => epoch),
    ["0", "0", "3", "3"],
  );
  assert.deepEqual(rows[2], ["3", "With", "90.0% [80.0, 95.0]", "0.300"]);
});

test("the table of all settings leaves out those that nobody ran", () => {
  const rows = settingsTable(data)[1];
  assert.deepEqual(rows[0], ["0.1", "32", "With", "1 of 1", "a"]);
  assert.equal(rows.length, 4);
});
