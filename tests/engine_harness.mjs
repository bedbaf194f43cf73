// Runs the page's engine in Node for the tests: node engine_harness.mjs ENGINE.wasm IMAGES < JOBS.
// IMAGES holds 5,000 images of 784 values 0..15, then their labels. JOBS is a JSON list; each job
// takes the first `train` images to train on and the last 1,000 to validate with, makes its `nets`
// ({settings, seed}), and makes its `calls`: [which net, or -1 for the engine, name, ...arguments].
// Prints a list of lists of results: arrays as base64 of their bytes, numbers that JSON lacks as
// strings, errors as {error}.
import { readFileSync } from "node:fs";

const IMAGES = 5000;
const VALIDATION = 1000;
const PIXELS = 784;

const [wasm, page] = process.argv.slice(2).map((path) => new Uint8Array(readFileSync(path)));
// Not imported by its path: a Node of some years ago would take it for the older kind of module.
const source = readFileSync(new URL("../bnbook/lab/engine/engine.js", import.meta.url), "utf8");
const { createEngine } = await import("data:text/javascript," + encodeURIComponent(source));

function chosen(from, size, train) {
  const end = size * (IMAGES - VALIDATION);
  const part = new Uint8Array(size * (train + VALIDATION));
  part.set(from.subarray(0, size * train));
  part.set(from.subarray(end), size * train);
  return part;
}

function called(target, name, args) {
  try {
    return typeof target[name] === "function" ? target[name](...args) : target[name];
  } catch (error) {
    return { error: error.message };
  }
}

async function run({ train, nets = [], calls }) {
  const engine = await createEngine(wasm);
  const pixels = chosen(page.subarray(0, IMAGES * PIXELS), PIXELS, train);
  engine.setData(pixels, chosen(page.subarray(IMAGES * PIXELS), 1, train), train);
  const made = nets.map(({ settings, seed }) => engine.createNet(settings, seed));
  return calls.map(([which, name, ...args]) => called(made[which] ?? engine, name, args));
}

function encoded(_, value) {
  if (ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  }
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  // An object of its own, or a function, says no more than that it is there.
  return typeof value === "function" ? undefined : value;
}

const results = [];
for (const job of JSON.parse(readFileSync(0, "utf8"))) results.push(await run(job));
console.log(JSON.stringify(results, encoded));
