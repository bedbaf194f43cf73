// Judges answers without knowing them: what the reader gives is compared with hashes.
import { read } from "./calculator.js";
import { sha256 } from "./sha256.js";
import { bytesOf } from "./unpack.js";

/** @typedef {{ state: "right" | "near" | "wrong" | "open", html: string }} Verdict */

/** Whole and other exact numbers are compared to so many digits; the rest is rounding. */
const EXACT = 9;
/** From here on a count can be off by one; below, every wrong answer would be. */
const COUNT = 5;

/**
 * @param {string} salt
 * @param {string | number} text
 */
export const fingerprint = (salt, text) => sha256(`${salt}:${text}`).slice(0, 12);

/** What Python has veiled, so that it is not in plain view. @param {string} text */
export function unveil(text) {
  return new TextDecoder().decode(bytesOf(text));
}

/**
 * To significant digits, as Python's `rounded` writes it.
 * @param {number} value
 * @param {number | null} digits
 */
export function rounded(value, digits) {
  return value === 0 ? "0" : value.toExponential((digits ?? EXACT) - 1);
}

/**
 * Slips that turn the answer into something else; each undoes one, and says what it was.
 * @param {number} v
 * @param {Field} field
 * @returns {[number, string][]}
 */
function slips(v, { digits }) {
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(v))) - (digits ?? EXACT) + 1);
  /** @type {[number, string][]} */
  const found = [
    [-v, "The size is right. Check the sign."],
    [v / 100, "That is in percent. The answer is a share, a hundredth of it."],
    [100 * v, "You are off by a factor of a hundred."],
    [v / 10, "You are off by a factor of ten: too large."],
    [10 * v, "You are off by a factor of ten: too small."],
    [1 / v, "This is the reciprocal. Turn the fraction over."],
    [Math.sqrt(v), "This is the square of the answer."],
    [v * v, "This is the square root of the answer."],
  ];
  if (digits) {
    const words = "Very close. The last digit is off: round instead of cutting off.";
    found.unshift([v + unit, words], [v - unit, words]);
  } else if (Number.isInteger(v) && Math.abs(v) >= COUNT) {
    found.unshift([v - 1, "One too many."], [v + 1, "One too few."]);
  }
  return found.filter(([value]) => Number.isFinite(value) && value !== v);
}

/**
 * @param {Field} field
 * @param {string} text
 * @param {string} salt
 * @returns {Verdict}
 */
export function judgeNumber(field, text, salt) {
  if (!text.trim()) return { state: "open", html: "Type your answer first." };
  const value = read(text);
  if (value === null) {
    const typed = text.trim().replace(/[<&]/g, (sign) => (sign === "<" ? "&lt;" : "&amp;"));
    const html = `“${typed}” is not a number that I can read. Write 0.0032, 3.2e-3, 1/312 or 12%.`;
    return { state: "open", html };
  }
  const key = (/** @type {number} */ v) => fingerprint(salt, rounded(v, field.digits));
  if (key(value) === field.key) return { state: "right", html: "Right." };
  const known = field.near[key(value)];
  if (known) return { state: "near", html: unveil(known) };
  const slip = slips(value, field).find(([undone]) => key(undone) === field.key);
  if (slip) return { state: "near", html: slip[1] };
  if (field.digits && fingerprint(salt, rounded(value, field.digits - 1)) === field.rough) {
    return { state: "near", html: `Right so far. Give ${field.digits} significant digits.` };
  }
  return { state: "wrong", html: "Not yet." };
}

/**
 * Several numbers at once; what is right among them is told.
 * @param {Field[]} fields
 * @param {string[]} texts
 * @param {string} salt
 * @returns {Verdict}
 */
export function judgeNumbers(fields, texts, salt) {
  const salts = fields.map((_, i) => `${salt}/${i}`);
  const verdicts = fields.map((field, i) => judgeNumber(field, texts[i], salts[i]));
  if (fields.length === 1) return verdicts[0];
  if (verdicts.every(({ state }) => state === "right")) return verdicts[0];
  const turned = fields.map((field, i) => judgeNumber(field, texts.at(-1 - i) ?? "", salts[i]));
  if (turned.every(({ state }) => state === "right")) {
    return { state: "near", html: "The right numbers, in the wrong order." };
  }
  const told = verdicts.map(({ html }, i) => `${fields[i].label}: ${html}`).join("<br>");
  const states = verdicts.map(({ state }) => state);
  if (states.includes("open")) return { state: "open", html: told };
  const near = states.includes("near") || states.includes("right");
  return { state: near ? "near" : "wrong", html: told };
}

/**
 * One of several choices or lines.
 * @param {string} key
 * @param {string[]} replies veiled, one for each
 * @param {number} picked -1: none
 * @param {string} salt
 * @returns {Verdict}
 */
export function judgeChoice(key, replies, picked, salt) {
  if (picked < 0) return { state: "open", html: "Choose one first." };
  if (fingerprint(salt, picked) === key) return { state: "right", html: "Right." };
  return { state: "wrong", html: unveil(replies[picked]) || "Not yet." };
}
