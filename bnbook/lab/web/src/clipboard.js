/**
 * Copy a text; says whether the browser did, which it may refuse, on a page from disk say.
 * @param {string} text
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
