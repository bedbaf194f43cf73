import assert from "node:assert/strict";
import { test } from "node:test";
import { askForImages, KernelTrainer } from "../src/kernel.js";
import { FakeModel } from "./model.js";

/** @type {Net} */
const PLAIN = {
  norms: ["none", "none", "none", "none"],
  affine: "none",
  convBias: true,
  linearBias: true,
  activation: "sigmoid",
  trained: "all",
};
/** @type {Setting} */
const SETTING = {
  nets: [PLAIN],
  ...{ lr: 1, batch: 64, seed: 0, epochs: 5, every: "epoch", changes: [] },
  ...{ momentum: 0, decay: 0, data: "digits" },
};
const PROBE = {
  before: [[1]],
  after: [[1]],
  squareBefore: [0.5],
  squareNormed: [1],
  squareActivated: [null],
  gradientNorm: [0.1],
  biasGradientNorm: [null],
  imageShare: [null],
  gamma: [[1, null], null],
  beta: [[0, 0], null],
};

/** @param {number} step @param {unknown} probe */
const evaluated = (step, probe) => ({
  ...{ net: 0, step, seconds: 1, correct: 90, correctRunning: 80, loss: null },
  probe,
});

function heard() {
  const model = new FakeModel();
  /** @type {any[]} */
  const messages = [];
  return { model, messages, trainer: new KernelTrainer(model, (one) => messages.push(one)) };
}

test("what the lab asks for reaches the kernel in its words", () => {
  const { model, trainer } = heard();
  trainer.start(SETTING);
  trainer.pause(true);
  trainer.setRate(0.5);
  trainer.stop();
  assert.deepEqual(model.sent.slice(1), [
    { type: "pause", on: true },
    { type: "rate", lr: 0.5 },
    { type: "stop" },
  ]);
});

test("a description that means nothing beside the rest is not sent: Run would refuse it", () => {
  const { model, trainer } = heard();
  trainer.start(SETTING);
  const nets = [{ ...PLAIN, affine: "both" }];
  assert.deepEqual(model.sent, [{ type: "start", setting: { ...SETTING, nets } }]);
});

test("numbers that JSON lacks arrive as none, and slots without a norm as without one", () => {
  const { model, messages } = heard();
  const nets = [{ alive: false, losses: [2.3, null] }];
  const evaluations = [evaluated(2, PROBE)];
  model.tell("msg:custom", { type: "progress", step: 2, speed: 1, changes: [], evaluations, nets });
  const [{ evaluations: found, nets: told }] = messages;
  assert.deepEqual(told, [{ alive: false, losses: [2.3, Number.NaN] }]);
  assert.ok(Number.isNaN(found[0].loss));
  assert.deepEqual(found[0].probe.gamma, [[1, Number.NaN], null]);
  assert.deepEqual(found[0].probe.biasGradientNorm, [Number.NaN]);
  assert.deepEqual(found[0].probe.squareActivated, [Number.NaN]);
});

test("in a replay the last probe of a net stands for those before it", () => {
  const { model, messages } = heard();
  const evaluations = [evaluated(0, null), evaluated(2, PROBE)];
  model.tell("msg:custom", { type: "progress", step: 2, evaluations, nets: [], changes: [] });
  assert.deepEqual(messages[0].evaluations[0].probe.before, [[1]]);
});

test("a view asks what trains, and hears nothing more when it is gone", () => {
  const { model, messages, trainer } = heard();
  trainer.attach();
  assert.deepEqual(model.sent, [{ type: "attach" }]);
  model.tell("msg:custom", { type: "paused", on: true });
  trainer.leave();
  model.tell("msg:custom", { type: "paused", on: false });
  assert.deepEqual(messages, [{ type: "paused", on: true }]);
  assert.equal(model.listening, 0);
});

test("the images come from the kernel, each set for who asked for it", async () => {
  const { model, messages } = heard();
  const both = Promise.all([askForImages(model, "digits"), askForImages(model, "clothes")]);
  assert.deepEqual(model.sent, [
    { type: "images", name: "digits" },
    { type: "images", name: "clothes" },
  ]);
  model.tell("msg:custom", { type: "images", name: "clothes", text: "shirts" });
  model.tell("msg:custom", { type: "images", name: "digits", text: "sevens" });
  assert.deepEqual(await both, ["sevens", "shirts"]);
  assert.deepEqual(messages, []);
});
