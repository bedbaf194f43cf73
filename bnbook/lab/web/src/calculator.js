// Reads a number as people write it: 0.0032, 3.2e-3, 1/312, 12%, 1,234, sqrt(2/784), 1.5 ln 2.

/** @type {Record<string, (x: number) => number>} */
const FUNCTIONS = { sqrt: Math.sqrt, "√": Math.sqrt, ln: Math.log, log: Math.log, exp: Math.exp };
const TOKEN = /\s*(?:(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)|(sqrt|√|ln|log|exp)|(.))/iy;

/**
 * Signs that mean the same become one sign, and commas what they stand for.
 * @param {string} text
 */
function plain(text) {
  return text
    .trim()
    .replace(/^[=≈~]\s*/, "")
    .replace(/[−–]/g, "-")
    .replace(/\*\*/g, "^")
    .replace(/[·×]/g, "*")
    .replace(/[:÷]/g, "/")
    .replace(/(?<=\d)[\s_’'](?=\d{3}(?!\d))/g, "")
    .replace(/(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])/g, (found) => found.replaceAll(",", ""))
    .replace(/(?<=\d),(?=\d)/g, "."); // what is left of them are decimal commas
}

/** @param {string} text */
function tokens(text) {
  TOKEN.lastIndex = 0;
  return [...text.matchAll(new RegExp(TOKEN, "giy"))].map(([, number, word, sign]) =>
    number ? Number(number) : (word ?? sign).toLowerCase(),
  );
}

/** What cannot be read is NaN; NaN stays NaN in whatever is computed from it. */
class Reader {
  /** @param {(string | number)[]} rest */
  constructor(rest) {
    this.rest = rest;
  }

  /** Takes the next token if it is one of these. @param {...string} signs */
  take(...signs) {
    const next = this.rest[0];
    return typeof next === "string" && signs.includes(next) ? String(this.rest.shift()) : "";
  }

  /** @returns {number} */
  sum() {
    let value = this.product();
    for (let sign = this.take("+", "-"); sign; sign = this.take("+", "-")) {
      value += sign === "+" ? this.product() : -this.product();
    }
    return value;
  }

  /** Two factors without a sign between them multiply: 1.5 ln 2. */
  product() {
    let value = this.signed();
    for (;;) {
      if (this.take("/")) value /= this.signed();
      else if (this.take("*") || this.rest[0] === "(" || this.rest[0] in FUNCTIONS) {
        value *= this.signed();
      } else return value;
    }
  }

  /** @returns {number} */
  signed() {
    if (this.take("-")) return -this.signed();
    if (this.take("+")) return this.signed();
    return this.power();
  }

  power() {
    let base = this.atom();
    while (this.take("%")) base /= 100;
    return this.take("^") ? base ** this.signed() : base;
  }

  /** @returns {number} */
  atom() {
    const next = this.rest.shift();
    if (typeof next === "number") return next;
    if (next === "(") {
      const value = this.sum();
      return this.take(")") ? value : Number.NaN;
    }
    return next && next in FUNCTIONS ? FUNCTIONS[next](this.atom()) : Number.NaN;
  }
}

/**
 * @param {string} text
 * @returns {number | null} null where it is no number
 */
export function read(text) {
  const reader = new Reader(tokens(plain(text)));
  const value = reader.sum();
  return reader.rest.length || !Number.isFinite(value) ? null : value;
}
