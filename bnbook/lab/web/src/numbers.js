// How numbers are written.

/**
 * With the minus sign of a printed text.
 * @param {number | string} value
 */
export const written = (value) => String(value).replace("-", "\u2212");

/** @param {number} share */
export function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/**
 * With commas: the first toLocaleString of a page takes longer than all the drawing.
 * @param {number} value
 */
export function thousands(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}
