// How many exercises are solved: at the head of a chapter's, and on the book's map.
import { h, saveAs } from "./dom.js";
import { CHANGED, counted, exported, reset, solvedOf } from "./progress.js";

/**
 * A line that counts, with the answers to take along and to forget.
 * @param {string[]} ids
 * @param {string} name of the file that is saved
 */
export function createTally(ids, name) {
  const words = h("span", { role: "status" });
  const save = h("button", { type: "button" }, "Save my answers");
  const clear = h("button", { type: "button" }, "Start over");
  const root = h("p", { class: "tally" }, words, " ", save, " ", clear);

  function show() {
    words.textContent = `${counted(solvedOf(ids), ids.length)}.`;
    clear.textContent = "Start over";
  }

  save.onclick = () => {
    saveAs(`${name}.json`, exported(ids, new Date()), "application/json");
  };
  clear.onclick = () => {
    if (clear.textContent === "Start over") clear.textContent = "Forget all answers?";
    else reset(ids);
  };
  clear.onblur = show;
  show();
  return { root, stop: listen(show) };
}

/** Hear of changes in this page and in others. @param {() => void} changed */
export function listen(changed) {
  document.addEventListener(CHANGED, changed);
  window.addEventListener("storage", changed);
  return () => {
    document.removeEventListener(CHANGED, changed);
    window.removeEventListener("storage", changed);
  };
}

/**
 * The book's: a line for all chapters, and a count beside each of them on the map.
 * @type {Mount<{ chapters: { page: string, exercises: string[] }[] }>}
 */
export function mountProgress(root, { chapters }) {
  const tally = createTally(
    chapters.flatMap(({ exercises }) => exercises),
    "batch-norm-exercises",
  );
  const counts = chapters.flatMap(({ page, exercises }) => {
    const link = document.querySelector(`.book-map li a[href*="${page}."]`);
    const count = h("span", { class: "bn-count" });
    link?.after(" ", count);
    return link ? [{ count, exercises }] : [];
  });

  function show() {
    for (const { count, exercises } of counts) {
      count.textContent = counted(solvedOf(exercises), exercises.length);
    }
  }

  show();
  root.append(tally.root);
  const stop = listen(show);
  return () => {
    stop();
    tally.stop();
    for (const { count } of counts) count.remove();
  };
}
