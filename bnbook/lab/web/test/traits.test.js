import assert from "node:assert/strict";
import { test } from "node:test";
import { TraitLink } from "../src/traits.js";
import { FakeModel } from "./model.js";

/** @param {NormName} norm @returns {Net} */
const net = (norm) => ({
  ...{ norms: [norm, norm, norm, norm], affine: "both", convBias: true, linearBias: true },
  ...{ activation: "sigmoid", trained: "all" },
});
const NORMS = [net("batch").norms, net("none").norms];
const UNSAID = { momentum: 0, decay: 0, data: "digits" };
const TRAITS = {
  ...{ lr: 1, batch_size: 64, seed: 3, epochs: 10, norms: NORMS, running: false },
  ...{ trainer: "cpu", train_size: 4000 },
  setting: { nets: [net("batch"), net("none")], every: "epoch", ...UNSAID },
};

/** A lab's controls, which say what was written, and when. */
class Lab {
  constructor() {
    /** @type {import("../src/traits.js").Controlled} */
    this.values = {
      nets: [net("mean"), net("mean")],
      ...{ lr: 0.1, batch: 32, seed: 0, epochs: 5, every: 5, changes: [] },
      ...{ momentum: 0, decay: 0, data: "digits", trainer: "browser", trainSize: 4000 },
    };
    /** @type {object[]} */
    this.written = [];
    /** @type {boolean[]} */
    this.toggled = [];
  }

  read() {
    return structuredClone(this.values);
  }

  /** @param {Partial<import("../src/traits.js").Controlled>} changes */
  write(changes) {
    this.written.push(changes);
    Object.assign(this.values, structuredClone(changes));
  }

  /** @param {boolean} running */
  toggle(running) {
    this.toggled.push(running);
  }
}

function linked(traits = {}) {
  const model = new FakeModel({ ...TRAITS, ...traits });
  const lab = new Lab();
  const link = new TraitLink(model, lab);
  lab.written.length = 0;
  return { model, lab, link };
}

test("a view begins as the traits are", () => {
  const { lab, model } = linked();
  const { lr, batch, seed, epochs, every, trainer, nets } = lab.values;
  assert.deepEqual([lr, batch, seed, epochs, every], [1, 64, 3, 10, "epoch"]);
  assert.equal(trainer, "cpu");
  assert.deepEqual(nets, [net("batch"), net("none")]);
  assert.deepEqual(model.saved, []);
});

test("what Python sets, the controls show, and say nothing back", () => {
  const { lab, model } = linked();
  model.change("lr", 2);
  model.change("norms", [NORMS[1], NORMS[0]]);
  assert.deepEqual(lab.written, [{ lr: 2 }, { nets: [net("none"), net("batch")] }]);
  assert.deepEqual(model.saved, []);
});

test("what the reader sets reaches the traits at once, and does not come back", () => {
  const { lab, model, link } = linked();
  lab.values.lr = 0.5;
  lab.values.nets = [net("batch"), net("variance")];
  link.push();
  const norms = [NORMS[0], net("variance").norms];
  const setting = { nets: [net("batch"), net("variance")], every: "epoch", ...UNSAID };
  assert.deepEqual(model.saved, [{ lr: 0.5, norms, setting }]);
  assert.deepEqual(lab.written, []);
  link.push();
  assert.equal(model.saved.length, 1);
});

test("a net that is switched off keeps the norms that its trait has", () => {
  const { lab, model, link } = linked();
  lab.values.nets = [net("mean")];
  link.push();
  assert.deepEqual(model.get("norms"), [net("mean").norms, NORMS[1]]);
  model.change("norms", [NORMS[1], NORMS[1]]);
  assert.deepEqual(lab.values.nets, [net("none")]);
});

test("running is a wish where this browser trains, and news of the kernel elsewhere", () => {
  const { lab, model, link } = linked();
  model.change("running", true);
  assert.deepEqual(lab.toggled, []);
  link.setRunning(false); // this browser does not train: that is no word on the kernel
  assert.equal(model.get("running"), true);
  model.change("running", false);
  lab.values.trainer = "browser";
  model.change("running", true);
  link.setRunning(true);
  model.change("running", false);
  assert.deepEqual(lab.toggled, [true, false]);
});

test("what this browser trains is said once, and not taken for a wish", () => {
  const { lab, model, link } = linked({ trainer: "browser" });
  link.setRunning(true);
  link.setRunning(true);
  assert.deepEqual(model.saved, [{ running: true }]);
  assert.deepEqual(lab.toggled, []);
  link.leave();
  assert.equal(model.get("running"), false);
  assert.equal(model.listening, 0);
});

test("Python keeps the history of this browser's runs, without probes", () => {
  const { lab, model, link } = linked();
  const setting = lab.read();
  const probe = /** @type {Probe} */ ({});
  const one = { net: 0, step: 2, seconds: 1, correct: 9, correctRunning: 8, loss: Number.NaN };
  link.relay({ type: "ready", perEpoch: 2, total: 4, images: 10 }, setting);
  const nets = [{ alive: true, losses: [2.3, Number.POSITIVE_INFINITY] }];
  const evaluations = [{ ...one, probe }];
  link.relay({ type: "progress", step: 2, speed: 1, changes: [], evaluations, nets }, setting);
  link.relay({ type: "hidden" }, setting);
  link.relay({ type: "done", hashes: ["0"], mistakes: [[]] }, setting);
  assert.deepEqual(model.sent, [
    { type: "heard", message: { type: "ready", perEpoch: 2, total: 4, images: 10, setting } },
    {
      type: "heard",
      message: {
        ...{ type: "progress", step: 2, speed: 1, changes: [] },
        nets: [{ alive: true, losses: [2.3, null] }],
        evaluations: [{ ...one, loss: null }],
      },
    },
    { type: "heard", message: { type: "done" } },
  ]);
});
