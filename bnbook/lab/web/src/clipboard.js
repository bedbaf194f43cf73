import { h } from "./dom.js";

const SHOWN_FOR = 2500; // ms, for a word that takes another's place

/**
 * A link that copies its address: the browser itself puts it into the address bar.
 * @param {string} words
 * @param {import("./dom.js").Attributes} [attributes]
 */
export function copiedLink(words, attributes = {}) {
  const link = h("a", { href: "#", ...attributes }, words);
  link.addEventListener("click", async () => {
    link.textContent = (await copyText(link.href)) ? "Link copied" : "Link in the address bar";
    setTimeout(() => {
      link.textContent = words;
    }, SHOWN_FOR);
  });
  return link;
}

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
