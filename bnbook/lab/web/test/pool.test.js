import assert from "node:assert/strict";
import { test } from "node:test";
import { createPool } from "../src/pool.js";
import { net } from "./example.js";

/**
 * Trainers that do nothing by themselves: the test says what each reports.
 * @param {number} most
 */
function staged(most) {
  /** @type {{ setting: Setting | null, paused: boolean, tell: (message: any) => void }[]} */
  const trainers = [];
  /** @type {PoolMessage[]} */
  const heard = [];
  const pool = createPool(
    most,
    (tell) => {
      const one = { setting: /** @type {Setting | null} */ (null), paused: false, tell };
      trainers.push(one);
      return {
        start: (setting) => Object.assign(one, { setting, paused: false }),
        pause: (wanted) => Object.assign(one, { paused: wanted }),
        setRate: () => {},
        stop: () => Object.assign(one, { setting: null }),
      };
    },
    (message) => heard.push(message),
  );
  /** @param {number} seed */
  const of = (seed) => {
    const found = trainers.find(({ setting }) => setting?.seed === seed);
    assert.ok(found, `seed ${seed} is not being trained`);
    return found;
  };
  /** @param {number} seed */
  const end = (seed) => {
    const { tell } = of(seed);
    const evaluations = [{ net: 0, step: 10, correct: 900 + seed, loss: 0.5 }];
    tell({ type: "ready", perEpoch: 10, total: 10, images: 1000 });
    tell({ type: "progress", step: 10, evaluations, nets: [{ alive: true, losses: [1, 3] }] });
    tell({ type: "done", hashes: [`bits ${seed}`] });
  };
  const seeds = () => trainers.flatMap(({ setting }) => setting?.seed ?? []).sort();
  return { pool, heard, trainers, of, end, seeds };
}

/** @param {number} count */
function jobs(count) {
  /** @type {Setting} */
  const setting = {
    ...{ nets: [net()], lr: 1, batch: 128, epochs: 1 },
    ...{ momentum: 0, decay: 0, data: "digits" },
    seed: 0,
    every: "epoch",
    changes: [],
  };
  return Array.from({ length: count }, (_, seed) => ({ ...setting, seed }));
}

test("so many runs go on at once, and the next begins where one ends", () => {
  const { pool, seeds, end } = staged(2);
  pool.run(jobs(4));
  assert.deepEqual(seeds(), [0, 1]);
  end(1);
  assert.deepEqual(seeds(), [0, 2]);
});

test("results name their jobs, whatever the order in which they end", () => {
  const { pool, heard, end } = staged(2);
  pool.run(jobs(3));
  for (const seed of [1, 2, 0]) end(seed);
  const results = heard.filter((one) => one.type === "result");
  assert.deepEqual(
    results.map(({ index, ended }) => [index, ended.hash, ended.rows[0].correct]),
    [1, 2, 0].map((seed) => [seed, `bits ${seed}`, 900 + seed]),
  );
  assert.equal(results[0].ended.rows[0].trainLoss, 2); // mean of the losses until then
  assert.equal(heard.at(-1)?.type, "done");
  assert.equal(heard.filter((one) => one.type === "done").length, 1);
});

test("progress is the share of all steps", () => {
  const { pool, heard, of, end } = staged(1);
  pool.run(jobs(2));
  end(0);
  of(1).tell({ type: "ready", perEpoch: 10, total: 10, images: 1000 });
  of(1).tell({ type: "progress", step: 5, evaluations: [], nets: [{ alive: true, losses: [] }] });
  assert.deepEqual(heard.at(-1), { type: "progress", done: 0.75 });
});

test("while it is paused nothing begins, and what ends just then goes on later", () => {
  const { pool, of, end, seeds } = staged(2);
  pool.run(jobs(4));
  pool.pause(true);
  assert.ok(of(0).paused && of(1).paused);
  end(1);
  assert.ok(!seeds().includes(2));
  pool.pause(false);
  assert.ok(!of(0).paused);
  of(2);
});

test("a worker that is only being made when the reader pauses is told when it is there", () => {
  const { pool, of } = staged(1);
  pool.run(jobs(1));
  pool.pause(true);
  of(0).paused = false; // as a trainer whose worker did not exist yet
  of(0).tell({ type: "ready", perEpoch: 10, total: 10, images: 1000 });
  assert.ok(of(0).paused);
});

test("an error stops all of it and is reported once, in the worker's words", () => {
  const { pool, heard, of, seeds } = staged(2);
  pool.run(jobs(3));
  const [first, second] = [of(0), of(1)];
  first.tell({ type: "error", text: "out of memory" });
  second.tell({ type: "error", text: "out of memory, too" });
  assert.deepEqual(seeds(), []);
  assert.deepEqual(heard, [{ type: "error", text: "out of memory" }]);
});

test("what has been run is not run again", () => {
  const { pool, heard, end, seeds } = staged(4);
  pool.run(jobs(3), [0, 2]);
  assert.deepEqual(seeds(), [1]);
  end(1);
  assert.equal(heard.at(-1)?.type, "done");
});

test("a hidden tab is mentioned once, though every worker says so", () => {
  const { pool, heard, of } = staged(2);
  pool.run(jobs(2));
  for (const type of ["hidden", "shown"]) for (const seed of [0, 1]) of(seed).tell({ type });
  assert.deepEqual(heard, [{ type: "hidden" }, { type: "shown" }]);
});
