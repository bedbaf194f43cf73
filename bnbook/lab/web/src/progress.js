// What of the exercises is solved, and what the reader has answered; kept between visits.
import { forget, keep, kept } from "./memory.js";

/** Said on the document whenever something here changes. */
export const CHANGED = "bnbook:exercise";

/** @typedef {{ solved: boolean, answer: string[] }} Answered */

/** @param {string} id */
const key = (id) => `exercise:${id}`;

/** @param {string} id @returns {Answered | null} */
export function recall(id) {
  const text = kept(key(id));
  if (text === null) return null;
  try {
    const { solved, answer } = JSON.parse(text);
    return { solved: solved === true, answer: Array.isArray(answer) ? answer.map(String) : [] };
  } catch {
    return null; // somebody else's, or of another edition
  }
}

/** What was solved stays, with its answer. @param {string} id @param {Answered} answered */
export function record(id, answered) {
  if (answered.solved || !recall(id)?.solved) keep(key(id), JSON.stringify(answered));
  document.dispatchEvent(new CustomEvent(CHANGED));
}

/** @param {string[]} ids */
export const solvedOf = (ids) => ids.filter((id) => recall(id)?.solved).length;

/** @param {number} solved @param {number} total */
export const counted = (solved, total) => `${solved} of ${total} solved`;

/** @param {string[]} ids @param {Date} now */
export function exported(ids, now) {
  const found = ids.map((id) => [id, recall(id)]).filter(([, answered]) => answered);
  return JSON.stringify(
    {
      book: "Batch Norm Exercise Book",
      saved: now.toISOString(),
      exercises: Object.fromEntries(found),
    },
    null,
    2,
  );
}

/** @param {string[]} ids */
export function reset(ids) {
  for (const id of ids) forget(key(id));
  document.dispatchEvent(new CustomEvent(CHANGED));
}
