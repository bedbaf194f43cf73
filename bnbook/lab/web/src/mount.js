// Which function builds an element of which kind.
import { mountBug } from "./bug.js";
import { mountExercise } from "./exercise.js";
import { mountLab } from "./lab.js";
import { mountPredict, mountRevisit } from "./predict.js";
import { mountRecorded } from "./recorded.js";
import { mountSigmoid } from "./sigmoid.js";
import { mountProgress } from "./tally.js";

/** @type {Record<string, Mount<any>>} */
const KINDS = {
  bug: mountBug,
  exercise: mountExercise,
  lab: mountLab,
  predict: mountPredict,
  progress: mountProgress,
  revisit: mountRevisit,
  recorded: mountRecorded,
  sigmoid: mountSigmoid,
};

/**
 * Build the element in `root`, which may hold a fallback; returns what takes it down.
 * @param {HTMLElement} root
 * @param {string} kind
 * @param {unknown} data
 * @param {Host} host
 */
export function mount(root, kind, data, host) {
  root.replaceChildren();
  root.classList.add("bn", `bn-${kind}`);
  const unmount = KINDS[kind](root, data, host);
  root.dataset.ready = "";
  return unmount;
}
