// What happened to a run, in words, from counts and losses alone.
import { capital } from "./names.js";
import { percent, thousands } from "./numbers.js";
import { AT_CHANCE, EXCESS, GUESS } from "./statistics.js";

export const GOAL = 95; // percent of the validation images

/** @typedef {{ step: number, correct: number, correctRunning: number }} Count */
/** @typedef {"waiting" | "learning" | "reached" | "collapsed" | "thrown" | "plateau" | "non-finite"} Kind */

/**
 * @param {Count} one
 * @param {number} images
 */
function atChance(one, images) {
  return one.correct < AT_CHANCE * images;
}

/**
 * The first evaluation with 95% right, or none. Counts, as 0.95 in binary is not 95%.
 * @template {Count} Found
 * @param {Found[]} evaluations
 * @param {number} images
 */
export function reached(evaluations, images) {
  return evaluations.find((one) => 100 * one.correct >= GOAL * images);
}

/**
 * The kind changes at milestones only: those are announced.
 * @param {{ evaluations: Count[], failedAt: number, recentLoss: number }} curve
 * @param {number} images that validate
 * @param {boolean} over
 * @returns {{ kind: Kind, text: string }}
 */
export function happened(curve, images, over) {
  const last = curve.evaluations.at(-1);
  if (!last) return { kind: "waiting", text: "" };
  const goal = reached(curve.evaluations, images);
  const first = goal ? `Reached ${GOAL}% after ${thousands(goal.step)} steps` : "";
  /** @param {string} text */
  const after = (text) => capital(first ? `${first}; ${text}` : text);
  if (curve.failedAt) {
    const text = `the loss became non-finite at step ${thousands(curve.failedAt)}`;
    return { kind: "non-finite", text: after(text) };
  }
  if (last.step === 0) {
    return { kind: "waiting", text: `Before training: ${percent(last.correct / images)}` };
  }
  if (atChance(last, images)) return stuck(curve, images, after);
  const now = (over ? "at the end " : "now ") + accuracy(last, images);
  if (goal) return { kind: "reached", text: after(now) };
  return { kind: "learning", text: over ? capital(now) : `Learning: ${now}` };
}

/**
 * @param {Count} one
 * @param {number} images
 */
function accuracy(one, images) {
  const same = one.correctRunning === one.correct;
  const running = same ? "" : ` (running: ${percent(one.correctRunning / images)})`;
  return percent(one.correct / images) + running;
}

/**
 * Why a net at chance is there.
 * @param {{ evaluations: Count[], recentLoss: number }} curve
 * @param {number} images
 * @param {(text: string) => string} after
 * @returns {{ kind: Kind, text: string }}
 */
function stuck({ evaluations: all, recentLoss }, images, after) {
  const fallen = all.findLast(
    (one, i) => i && atChance(one, images) && !atChance(all[i - 1], images),
  );
  if (fallen) {
    const text = `collapsed to chance by step ${thousands(fallen.step)}`;
    return { kind: "collapsed", text: after(text) };
  }
  const still = `Still at chance after ${thousands(all[all.length - 1].step)} steps`;
  return recentLoss > GUESS + EXCESS
    ? {
        kind: "thrown",
        text: `${still}: the loss is above chance level; the steps are too large`,
      }
    : { kind: "plateau", text: `${still}: a plateau at chance-level loss` };
}
