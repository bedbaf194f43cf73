import assert from "node:assert/strict";
import { test } from "node:test";
import {
  fingerprint,
  judgeChoice,
  judgeNumber,
  judgeNumbers,
  rounded,
  unveil,
} from "../src/answers.js";
import { read } from "../src/calculator.js";
import { sha256 } from "../src/sha256.js";

const SALT = "chapter/exercise";

/** @param {string} text */
const veil = (text) => Buffer.from(text, "utf8").toString("base64");

/**
 * @param {number} value
 * @param {number | null} digits
 * @param {Record<string, string>} near
 * @returns {Field}
 */
function field(value, digits = null, near = {}, salt = SALT) {
  return {
    label: "Answer",
    digits,
    key: fingerprint(salt, rounded(value, digits)),
    rough: digits ? fingerprint(salt, rounded(value, digits - 1)) : "",
    near: Object.fromEntries(
      Object.entries(near).map(([v, words]) => [
        fingerprint(salt, rounded(Number(v), digits)),
        veil(words),
      ]),
    ),
  };
}

test("hashes are those of the standard's own examples", () => {
  const known = {
    "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    abc: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq:
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  };
  for (const [text, hash] of Object.entries(known)) assert.equal(sha256(text), hash);
  assert.equal(
    sha256("a".repeat(1_000_000)),
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
  );
});

test("a number is read as people write it", () => {
  const written = {
    0.0032: 0.0032,
    "3.2e-3": 0.0032,
    "3.2·10^-3": 0.0032,
    "3.2 × 10**-3": 0.0032,
    "1/312": 1 / 312,
    "12%": 0.12,
    "1,234": 1234,
    "1,048,576": 1_048_576,
    "48 001": 48_001,
    "48\u202f001": 48_001,
    "0,163": 0.163,
    "1,5": 1.5,
    "−2": -2,
    "-2^2": -4,
    "≈ 0.951": 0.951,
    ".5": 0.5,
    "5.": 5,
    "1.5 ln 2": 1.5 * Math.log(2),
    "1.5*ln(2)": 1.5 * Math.log(2),
    "sqrt(2/784)": Math.sqrt(2 / 784),
    "2(3+4)": 14,
    "(1 - 0.1*0.0005)^1000": 0.99995 ** 1000,
    "13/(6*576)": 13 / 3456,
    "1/(1+e)": null,
    "": null,
    ten: null,
    "1 2": null,
    "3 +": null,
    "(3": null,
    "1/0": null,
    "sqrt(-1)": null,
  };
  for (const [text, value] of Object.entries(written)) {
    const found = read(text);
    if (value === null || found === null) assert.equal(found, value, text);
    else assert.ok(Math.abs(found - value) <= 1e-12 * Math.abs(value), `${text}: ${found}`);
  }
});

test("a right answer is right to the digits that are asked for, and further", () => {
  for (const text of ["0.0505", "0.05051", "sqrt(2/784)", "5.05%", "5,05e-2"]) {
    assert.equal(judgeNumber(field(Math.sqrt(2 / 784), 3), text, SALT).state, "right", text);
  }
  for (const text of ["226", "226.0", "6+16+120+84"]) {
    assert.equal(judgeNumber(field(226), text, SALT).state, "right", text);
  }
  assert.equal(judgeNumber(field(0), "-0", SALT).state, "right");
});

test("near misses are told apart", () => {
  const told = {
    "-0.164": /sign/,
    16.4: /percent/,
    1.64: /ten: too large/,
    0.0164: /ten: too small/,
    6.0827625: /reciprocal/,
    0.027027: /square of the answer/,
    0.163: /last digit/,
    0.16: /3 significant digits/,
    0.2: /Not yet/,
  };
  for (const [text, words] of Object.entries(told)) {
    const verdict = judgeNumber(field(1 / Math.sqrt(37), 3), text, SALT);
    assert.match(verdict.html, words, text);
    assert.notEqual(verdict.state, "right");
  }
  assert.equal(judgeNumber(field(226), "227", SALT).html, "One too many.");
  assert.equal(judgeNumber(field(226), "225", SALT).html, "One too few.");
});

test("the exercise's own diagnosis comes first", () => {
  const own = field(10, null, { 1: "One factor of ten is missing." });
  assert.equal(judgeNumber(own, "1", SALT).html, "One factor of ten is missing.");
});

test("what is no number costs nothing", () => {
  for (const text of ["", "  ", "ten"]) {
    assert.equal(judgeNumber(field(10), text, SALT).state, "open");
  }
});

test("what the reader types is no markup", () => {
  assert.match(judgeNumber(field(10), "<img src=x>&", SALT).html, /&lt;img src=x>&amp;/);
});

test("of several numbers it is told which are right", () => {
  const fields = [10, 100].map((value, i) => field(value, null, {}, `${SALT}/${i}`));
  assert.equal(judgeNumbers(fields, ["10", "100"], SALT).state, "right");
  assert.match(judgeNumbers(fields, ["100", "10"], SALT).html, /order/);
  const half = judgeNumbers(fields, ["10", "7"], SALT);
  assert.deepEqual([half.state, half.html], ["near", "Answer: Right.<br>Answer: Not yet."]);
  assert.equal(judgeNumbers(fields, ["10", ""], SALT).state, "open");
});

test("a choice has a reply of its own", () => {
  const key = fingerprint(SALT, 1);
  const replies = ["Only a part of it — σ stays.", ""].map(veil);
  assert.equal(judgeChoice(key, replies, 1, SALT).state, "right");
  assert.equal(judgeChoice(key, replies, 0, SALT).html, "Only a part of it — σ stays.");
  assert.equal(judgeChoice(key, replies, -1, SALT).state, "open");
});

test("what is veiled comes back", () => {
  assert.equal(unveil(veil("γ ≈ ½")), "γ ≈ ½");
});
