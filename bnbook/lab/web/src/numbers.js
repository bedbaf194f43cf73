// How numbers are written.

/**
 * With the minus sign of a printed text.
 * @param {number | string} value
 */
export const written = (value) => String(value).replace("-", "\u2212");

/**
 * As Python rounds it, where the book's text is written: 98.25 to the even digit, not up.
 * @param {number} share
 */
export function percent(share) {
  const tie = (400 * share) % 4 === 1;
  return `${(100 * share - (tie ? 0.01 : 0)).toFixed(1)}%`;
}

/**
 * With commas: the first toLocaleString of a page takes longer than all the drawing.
 * @param {number} value
 */
export function thousands(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}
