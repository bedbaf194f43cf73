// Runs the page's statistics for the tests: node statistics_harness.mjs < CALLS. CALLS is a JSON
// list of [function, ...arguments]; prints the list of results, with NaN and infinity as strings.
import { readFileSync } from "node:fs";
import * as statistics from "../bnbook/lab/web/src/statistics.js";

const calls = JSON.parse(readFileSync(0, "utf8"), (_, value) => (value === "NaN" ? NaN : value));
const results = calls.map(([name, ...args]) => statistics[name](...args));
const encoded = (_, value) =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
console.log(JSON.stringify(results, encoded));
