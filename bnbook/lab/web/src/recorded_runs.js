// What there is to show of recorded runs, without a document: what is chosen, charts, tables.
import { bounds, far } from "./bands.js";
import { percent } from "./numbers.js";
import { accuracyScale, lossScale } from "./plots.js";
import { CHANCE } from "./statistics.js";

/**
 * The runs of one arm: where they are, and how far from what was asked for.
 * @typedef {{ cell: RecordedCell, batch: number, lr: number, distance: number }} Found
 * @typedef {Found & { arm: RecordedData["arms"][number] }} Shown
 */

/** What the reader has chosen, by index, and what there is to show for it. */
export class Choice {
  /** @param {RecordedData} data */
  constructor(data) {
    this.data = data;
    this.lr = data.start[0];
    this.batch = data.start[1];
    /** @type {Set<number>} */
    this.hidden = new Set();
  }

  /** The arms that are not hidden, each with its runs. */
  get shown() {
    return this.data.arms.flatMap((arm, i) => {
      const found = this.hidden.has(i) ? null : this.nearest(i);
      return found ? [{ arm, ...found }] : [];
    });
  }

  get words() {
    return `learning rate ${this.data.lrs[this.lr]} and batch size ${this.data.batch_sizes[this.batch]}`;
  }

  /**
   * The recorded setting nearest to the chosen one: batch size first, then learning rate.
   * @param {number} arm
   * @returns {Found | null}
   */
  nearest(arm) {
    const { lrs, batch_sizes: sizes, cells } = this.data;
    /** @type {Found | null} */
    let best = null;
    for (const [batch, row] of cells[arm].entries()) {
      for (const [lr, cell] of row.entries()) {
        if (!cell) continue;
        const distance = 1000 * far(sizes[batch], sizes[this.batch]) + far(lrs[lr], lrs[this.lr]);
        if (!best || distance < best.distance) best = { cell, batch, lr, distance };
      }
    }
    return best;
  }

  /**
   * What to say where an arm has no runs at the setting.
   * @param {Found} found
   */
  remark({ batch, lr, distance }) {
    if (!distance) return "";
    const { lrs, batch_sizes: sizes } = this.data;
    return (
      ` There are no runs at ${this.words}; these are the nearest recorded, ` +
      `learning rate ${lrs[lr]} and batch size ${sizes[batch]}.`
    );
  }
}

/**
 * @param {RecordedData} data
 * @param {Course} values
 * @returns {import("./plots.js").Points}
 */
const points = ({ at }, values) => at.map((epoch, i) => [epoch, values[i] ?? Number.NaN]);

/**
 * The values by epoch, also of those that were not evaluated.
 * @param {RecordedData} data
 * @param {Course} values
 */
function byEpoch({ at }, values) {
  /** @type {Course} */
  const all = Array(at[at.length - 1] + 1).fill(null);
  for (const [i, epoch] of at.entries()) all[epoch] = values[i];
  return all;
}

/**
 * @param {RecordedData} data
 * @param {Shown[]} shown
 */
export function accuracyChart(data, shown) {
  return {
    epochs: data.at[data.at.length - 1],
    scale: accuracyScale(data.accuracy_ticks, data.best),
    guess: CHANCE,
    marks: [],
    bands: shown.map(({ arm, cell }) => ({
      label: arm.label,
      look: arm,
      low: byEpoch(data, cell.low),
      high: byEpoch(data, cell.high),
      lines: cell.seeds.map((seed) => points(data, seed)),
    })),
    curves: shown.map(({ arm, cell }) => ({
      label: arm.label,
      look: arm,
      points: points(data, cell.mean),
      markers: true,
    })),
  };
}

/**
 * @param {RecordedData} data
 * @param {Shown[]} shown
 */
export function lossChart(data, shown) {
  const [low, high] = data.losses;
  return {
    epochs: data.at[data.at.length - 1],
    scale: lossScale(data.loss_ticks, low, high),
    marks: [],
    unlabelled: true,
    bands: shown.map(({ arm, cell }) => ({
      label: arm.label,
      look: arm,
      lines: cell.losses.map((seed) => points(data, seed)),
    })),
    curves: shown.map(({ arm, cell }) => ({
      label: arm.label,
      look: arm,
      points: points(data, cell.loss),
      markers: true,
    })),
  };
}

/**
 * @param {RecordedData} data
 * @param {Shown[]} shown
 * @returns {[string[], string[][]]} heads and rows
 */
export function curvesTable(data, shown) {
  const rows = data.at.flatMap((epoch, i) =>
    shown.map(({ arm, cell }) => {
      const mean = cell.mean[i];
      const accuracy = mean === null ? "–" : percent(mean) + bounds(cell, i);
      return [String(epoch), arm.label, accuracy, cell.loss[i]?.toPrecision(3) ?? "–"];
    }),
  );
  return [["Epoch", "Net", "Accuracy", "Loss"], rows];
}

/**
 * How the runs ended at every setting that has any.
 * @param {RecordedData} data
 * @returns {[string[], string[][]]} heads and rows
 */
export function settingsTable({ lrs, batch_sizes: sizes, arms, cells }) {
  const rows = sizes.flatMap((size, b) =>
    lrs.flatMap((lr, r) =>
      arms.flatMap(({ label }, i) => {
        const cell = cells[i][b][r];
        return cell ? [[String(lr), String(size), label, cell.trained, cell.final]] : [];
      }),
    ),
  );
  return [["Learning rate", "Batch size", "Net", "Seeds trained", "Accuracy"], rows];
}
