import assert from "node:assert/strict";
import { test } from "node:test";
import { createLinks } from "../src/permalink.js";
import { createPlans, jobsOf } from "../src/plan.js";
import {
  cellsOf,
  compare,
  csv,
  limitsInWords,
  sentence,
  tallyInWords,
  verdict,
} from "../src/verdict.js";
import { net, SETTINGS } from "./example.js";

const FULL = "bbbb-gb-cl-s";
const MEAN = "mmmm-gb-cl-s";

/** @type {Trial} */
const TRIAL = {
  claim: "Mean-only comes closer.",
  direction: "above",
  contrasts: [[0, 1]],
  nets: [
    { label: "Mean only", code: MEAN, lr: 8 },
    { label: "All of it", code: FULL, lr: null },
  ],
  lrs: [],
  seeds: 2,
  margin: 0.002,
  factor: 2,
  enough: { digits: 0.9 },
  note: "",
  book: null,
};

/** @type {Setting} */
const BASE = {
  ...{ nets: [net(), net({ norms: ["none", "none", "none", "none"] })], lr: 1, batch: 128 },
  ...{ seed: 3, epochs: 10, every: 5, changes: [{ step: 35, lr: 8 }] },
  ...{ momentum: 0.9, decay: 0.0005, data: "digits" },
};

const links = createLinks(SETTINGS);
const plans = createPlans(SETTINGS, TRIAL, links);

/** The plan of the choice with that id. @param {string} id @param {Trial} [trial] */
function planOf(id, trial = TRIAL) {
  const found = createPlans(SETTINGS, trial, links).choices(BASE, 2);
  const choice = found.find((one) => one.id === id);
  assert.ok(choice, `no choice ${id}`);
  return choice.plan;
}

/**
 * @param {number} correct of 1,000
 * @param {Partial<Ended>} [more]
 * @returns {Ended}
 */
function ended(correct, more = {}) {
  const rows = [
    { step: 0, correct: 100, loss: 2.3, trainLoss: Number.NaN },
    { step: 310, correct, loss: 0.2, trainLoss: 0.3 },
  ];
  return { rows, images: 1000, alive: true, hash: `bits of ${correct}`, ...more };
}

test("pairs come together soonest: the nets of a seed follow each other", () => {
  const jobs = jobsOf(planOf("chapter"));
  assert.deepEqual(
    jobs.map(({ seed, net: which }) => [seed, which]),
    [
      [3, 0],
      [3, 1],
      [4, 0],
      [4, 1],
    ],
  );
});

test("a run is the lab's own, with its net, rate and seed, after every epoch", () => {
  const [first, second] = jobsOf(planOf("chapter"));
  const wanted = { ...BASE, every: "epoch", changes: [], seed: 3 };
  assert.deepEqual(first.setting, { ...wanted, nets: [links.readNet(MEAN)], lr: 8 });
  assert.deepEqual(second.setting, { ...wanted, nets: [net()], lr: 1 });
});

test("a question about limits runs the lab's nets at several rates", () => {
  const plan = planOf("rates", { ...TRIAL, nets: [], lrs: [0.16, 1, 8] });
  assert.equal(jobsOf(plan).length, 2 * 3 * 2);
});

test("seeds stay below the last one that there is", () => {
  const [{ plan }] = plans.choices({ ...BASE, seed: SETTINGS.max_seed }, 3);
  assert.deepEqual(
    plan.seeds,
    [-2, -1, 0].map((i) => SETTINGS.max_seed + i),
  );
});

test("a link gives the same plan back", () => {
  for (const id of ["chapter", "above"]) {
    const plan = planOf(id);
    const read = plans.read(plans.write(plan));
    assert.ok(read && "plan" in read);
    assert.deepEqual(jobsOf(read.plan), jobsOf(plan));
  }
});

test("a link to another lab is none, and a damaged one says where", () => {
  const link = plans.write(planOf("chapter"));
  assert.equal(plans.read(link.replace("lite", "affine")), null);
  assert.equal(plans.read("#lab=lite&lr=1"), null);
  /** @type {[string, string, string][]} */
  const cases = [
    ["seeds=2", "seeds=99", "seeds"],
    ["@8", "@7", "nets"],
    ["mmmm", "xmmm", "nets"],
    ["batch=128", "batch=100", "batch"],
    ["seed=3", `seed=${SETTINGS.max_seed}`, "seed"],
  ];
  for (const [from, to, error] of cases) {
    assert.deepEqual(plans.read(link.replace(from, to)), { error });
  }
});

test("the claim is about the chapter's nets, with whatever activation", () => {
  assert.ok(plans.isClaimed(planOf("chapter")));
  assert.ok(!plans.isClaimed(planOf("above")));
  const plan = planOf("chapter");
  const rectified = plan.nets.map((one) => ({
    ...one,
    net: { ...one.net, activation: /** @type {const} */ ("relu") },
  }));
  assert.ok(plans.isClaimed({ ...plan, nets: rectified }));
});

/** @param {(Ended | undefined)[]} results in the order of the chapter's jobs */
function found(results) {
  const plan = planOf("chapter");
  const cells = cellsOf(plan, results, 0.9);
  const rows = compare(cells, TRIAL.contrasts, TRIAL.margin);
  return { plan, cells, rows, ...verdict(plan, TRIAL, true, cells, rows) };
}

test("the reader's runs are decided by the chapter's rule, and the sentence has the difference", () => {
  const { decision, why } = found([ended(962), ended(930), ended(964), ended(931)]);
  assert.equal(decision, "supported");
  assert.match(why, /^“Mean only” ends above “All of it”, by 3\.25 points \[2\.61, 3\.89\]\.$/);
});

test("equal counts are said to be equal", () => {
  const { decision, why } = found([ended(962), ended(962), ended(940), ended(940)]);
  assert.equal(decision, "refuted");
  assert.match(why, /In all 2 pairs, .* the same number of images/);
});

test("no mean is taken over runs of which some fail", () => {
  const { rows, cells } = found([ended(962), ended(950), ended(110), ended(951)]);
  assert.match(sentence(rows[0], 0.002), /trains with 1 of 2 seeds, “All of it” with 2: no/);
  assert.equal(
    tallyInWords(cells[0]),
    "1 of 2 train, median of these 96.2% (others: not yet trained)",
  );
  assert.equal(tallyInWords(cells[1]), "2 of 2 train, median 95.0%");
});

test("a loss that is no number counts as guessing", () => {
  const broken = ended(960, { alive: false });
  const { cells } = found([broken, ended(960), broken, ended(961)]);
  assert.deepEqual(
    cells[0].runs.map((run) => run?.accuracy),
    [0.1, 0.1],
  );
  assert.equal(tallyInWords(cells[0]), "0 of 2 train, median 10.0% (non-finite)");
});

test("only pairs are compared", () => {
  const { rows } = found([ended(962), ended(930), ended(964), undefined]);
  assert.equal(rows[0].n, 1);
});

test("limits are told net by net", () => {
  const plan = planOf("rates", { ...TRIAL, nets: [], lrs: [0.16, 1, 8] });
  const results = jobsOf(plan).map((job) => ended(job.net === 0 || job.rate < 1 ? 960 : 110));
  const words = limitsInWords(cellsOf(plan, results, 0.9));
  assert.equal(
    words,
    "“Batch norm” trains up to 8, the highest we tried; “No norm” trains up to 0.16 and fails at 1.",
  );
});

test("the file of values has a row for each evaluation, with the bits of the weights", () => {
  const plan = planOf("chapter");
  plan.nets[0].label = 'Mean "only"';
  const text = csv(plan, [ended(962), undefined, undefined, ended(931)], 0.9, links.netCode);
  const lines = text.trim().split("\n");
  assert.equal(lines.length, 1 + 2 * 2);
  assert.equal(lines[1], `"Mean ""only""",${MEAN},8,128,3,0,100,1000,,2.3,trained,bits of 962`);
  assert.equal(lines[4], `"All of it",${FULL},1,128,4,310,931,1000,0.3,0.2,trained,bits of 931`);
});
