import assert from "node:assert/strict";
import { test } from "node:test";
import { createLinks } from "../src/permalink.js";
import { net, SETTINGS } from "./example.js";

const links = createLinks(SETTINGS);
const LINK = "#lab=lite&lr=1&batch=128&seed=0&epochs=10&every=epoch&a=bbbb-gb-cl-s&b=nnnn-gb-cl-s";

/** @type {Setting} */
const SETTING = {
  ...{ lr: 0.16, batch: 64, seed: 12, epochs: 20, every: "epoch", nets: [net()], changes: [] },
  ...{ momentum: 0, decay: 0, data: "digits" },
};

/** @returns {Net[]} every net that the menus can make, with norms in turn */
function nets() {
  const kinds = /** @type {NormName[]} */ (["none", "batch", "mean", "variance"]);
  const affines = /** @type {const} */ (["both", "gamma", "beta", "none"]);
  const subsets = /** @type {const} */ (["all", "norm", "norm+head", "head"]);
  const biases = [true, false].flatMap((conv) => [true, false].map((linear) => [conv, linear]));
  const activations = /** @type {const} */ (["sigmoid", "relu"]);
  return affines
    .flatMap((affine) => subsets.map((trained) => ({ affine, trained })))
    .flatMap((one) => biases.map(([convBias, linearBias]) => ({ ...one, convBias, linearBias })))
    .flatMap((one) => activations.map((activation) => ({ ...one, activation })))
    .map((one, i) => net({ ...one, norms: [0, 1, 2, 3].map((slot) => kinds[(i + slot) % 4]) }));
}

test("a link keeps every net and every change", () => {
  const changes = [
    { step: 0, lr: 8 },
    { step: 120, lr: 0.001 },
  ];
  for (const one of nets()) {
    for (const every of /** @type {const} */ (["epoch", 5])) {
      for (const some of [[one], [one, net()]]) {
        const setting = { ...SETTING, every, nets: some, changes };
        assert.deepEqual(links.read(links.write(setting)), setting);
      }
    }
  }
});

test("a link keeps momentum, weight decay and the data, and says only what is not as usual", () => {
  /** @type {Setting} */
  const setting = { ...SETTING, momentum: 0.9, decay: 0.00001, data: "clothes" };
  const link = links.write(setting);
  assert.deepEqual(links.read(link), setting);
  for (const word of ["&momentum=0.9", "&decay=0.00001", "&data=clothes"]) {
    assert.ok(link.includes(word));
    const less = links.read(link.replace(word, ""));
    assert.ok(less && !("error" in less));
    assert.equal(links.write(less), link.replace(word, ""));
  }
  assert.doesNotMatch(links.write(SETTING), /momentum|decay|data/);
});

test("a link of another lab, or none, is not this lab's", () => {
  assert.equal(links.read(LINK.replace("lab=lite", "lab=affine")), null);
  assert.equal(links.read(""), null);
});

test("a link from before there was a choice trains everything", () => {
  const codes = ["bbbb-gb-cl-s", "bbbb-gb-cl-s-n", "bbbb-gb-cl-s-nh", "bbbb-gb-cl-s-h"];
  const read = codes.map((code) => links.readNet(code));
  assert.deepEqual(
    read.map((one) => one?.trained),
    ["all", "norm", "norm+head", "head"],
  );
  assert.deepEqual(
    read.map((one) => one && links.netCode(one)),
    codes,
  );
});

test("a damaged link names the part that cannot be read", () => {
  /** @type {[string, string, string][]} */
  const damages = [
    ["lr=1&", "lr=1.5&", "lr"],
    ["batch=128", "batch=129", "batch"],
    ["seed=0", "seed=-1", "seed"],
    ["seed=0", "seed=", "seed"],
    ["every=epoch", "every=6", "every"],
    ["a=", "momentum=1&a=", "momentum"],
    ["a=", "decay=0.3&a=", "decay"],
    ["a=", "data=toString&a=", "data"],
    ["a=bbbb-gb-cl-s", "a=bbbb-gb-cl-s-hn", "a"],
    ["b=nnnn-gb-cl-s", "b=nnn-gb-cl-s", "b"],
    ["b=nnnn", "at=5:1,5:8&b=nnnn", "at"],
    ["b=nnnn", "at=5:2&b=nnnn", "at"],
  ];
  for (const [whole, broken, part] of damages) {
    assert.deepEqual(links.read(LINK.replace(whole, broken)), { error: part });
  }
});
