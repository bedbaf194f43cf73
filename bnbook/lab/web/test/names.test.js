import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOf, plainest, whyStuck } from "../src/names.js";
import { net, SETTINGS } from "./example.js";

/** @type {NormName[]} */
const NOTHING = ["none", "none", "none", "none"];

test("a net is named for what is not as usual", () => {
  /** @type {[Partial<Net>, string][]} */
  const cases = [
    [{}, "Batch norm"],
    [{ norms: NOTHING, affine: "none" }, "No norm"],
    [{ norms: ["mean", "mean", "mean", "mean"], affine: "gamma" }, "Mean-only norm, beta fixed"],
    [
      { affine: "none", convBias: false, linearBias: false },
      "Batch norm, gamma and beta fixed, no biases",
    ],
    [
      { norms: ["batch", "none", "batch", "variance"], activation: "relu" },
      "Batch norm after conv1, fc1; variance-only norm after fc2, ReLU",
    ],
    [{ trained: "norm" }, "Batch norm, only gamma and beta trained"],
    [{ trained: "norm", affine: "gamma" }, "Batch norm, only gamma trained"],
    [
      { trained: "norm+head", linearBias: false },
      "Batch norm, no biases in linear layers, only gamma, beta and the last layer trained",
    ],
    [
      { trained: "head", convBias: false },
      "Batch norm, no biases in convolutions, only the last layer trained",
    ],
    [{ norms: NOTHING, trained: "norm" }, "No norm, nothing trained"],
  ];
  for (const [changes, words] of cases) assert.equal(nameOf(net(changes), SETTINGS), words);
});

test("what means nothing beside the rest is as usual in the plainest description", () => {
  /** @type {[Partial<Net>, Partial<Net>][]} */
  const cases = [
    [{ norms: NOTHING, affine: "none" }, { norms: NOTHING }],
    [
      { norms: NOTHING, trained: "norm+head", affine: "beta" },
      { norms: NOTHING, trained: "head" },
    ],
    [{ trained: "head", affine: "none" }, { trained: "head" }],
    [{ trained: "norm+head", affine: "none" }, { trained: "head" }],
    [
      { trained: "norm", affine: "beta" },
      { trained: "norm", affine: "beta" },
    ],
  ];
  for (const [chosen, meant] of cases) assert.deepEqual(plainest(net(chosen)), net(meant));
});

test("a net that could learn nothing says why", () => {
  assert.equal(whyStuck(net({ trained: "norm" })), "");
  assert.match(whyStuck(net({ trained: "norm", norms: NOTHING })), /has no norm$/);
  assert.match(whyStuck(net({ trained: "norm", affine: "none" })), /both are fixed$/);
});
