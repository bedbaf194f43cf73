// Links that readers kept stay valid to the last bit: the engine's arithmetic is its own, and the
// same on every machine.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createEngine } from "../../engine/engine.js";
import { unpack } from "../src/unpack.js";
import { net } from "./example.js";

/** @type {[NormName, Net["activation"], number, string][]} */
const KEPT = [
  ["batch", "sigmoid", 1, "f13339d705a1356e"],
  ["none", "relu", 0.1, "a00c33d494eea509"],
  ["mean", "sigmoid", 1, "60a6ee1cb4d6e33f"],
  ["variance", "relu", 0.1, "adfdbaa49deb17ce"],
];

/** @param {string} path */
const read = (path) => readFileSync(new URL(path, import.meta.url));

async function engineWithDigits() {
  const engine = await createEngine(read("../../engine/engine.wasm"));
  const text = /"(.*)"/.exec(read("../../../../data/digits.js").toString())?.[1] ?? "";
  const { pixels, labels } = await unpack(text);
  engine.setData(pixels, labels, 4000);
  return engine;
}

test("35 steps leave the bits that they left in the book's earlier editions", async () => {
  const engine = await engineWithDigits();
  for (const [norm, activation, lr, hash] of KEPT) {
    const learned = { hidden: true, head: true, gamma: true, beta: true };
    const described = net({ norms: [norm, norm, norm, norm], activation });
    const one = engine.createNet({ ...described, learned, batchSize: 512 }, 0);
    for (let step = 0; step < 35; step++) one.step(lr);
    assert.equal(one.hash(), hash, `${norm}, ${activation}`);
    one.free();
  }
});
