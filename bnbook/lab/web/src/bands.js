// The recorded runs beside the reader's own: looked up by setting, never interpolated.
import { plainest } from "./names.js";
import { percent } from "./numbers.js";
import { LETTERS } from "./run.js";

const SHARE = 10000; // accuracies are whole numbers of so many parts

/** How far apart two settings are. @param {number} a @param {number} b */
export const far = (a, b) => Math.abs(Math.log(a / b));

/** @typedef {{ lr: number, batch: number, words: string }} Place a setting that is recorded */

/**
 * The 95% interval in brackets, in percent; nothing where there is none.
 * @param {Band} band
 * @param {number} epoch
 */
export function bounds({ low, high }, epoch) {
  const [from, to] = [low[epoch], high[epoch]];
  if (from == null || to == null) return "";
  return ` [${(100 * from).toFixed(1)}, ${(100 * to).toFixed(1)}]`;
}

export class RecordedBands {
  /**
   * @param {Bands | null} recorded
   * @param {import("./permalink.js").Links} links
   */
  constructor(recorded, links) {
    this.cells = recorded?.cells ?? {};
    this.seeds = recorded?.seeds ?? 0;
    this.links = links;
  }

  /** @param {Net} net */
  ratesOf(net) {
    // Without norms, say, it is all one what of gamma and beta is fixed.
    return this.cells[this.links.netCode(plainest(net))] ?? {};
  }

  /**
   * @param {Net} net
   * @param {number} batch
   * @param {number} lr
   * @returns {Band | null}
   */
  cellOf(net, batch, lr) {
    const found = this.ratesOf(net)[batch]?.[lr];
    if (!found) return null;
    const [mean, low, high] = found
      .slice(0, 3)
      .map((values) => values.map((value) => (value === null ? null : value / SHARE)));
    const [learned, all] = found[4] ?? [];
    return { mean, low, high, loss: found[3], learned, all };
  }

  /** @param {Setting} setting */
  of(setting) {
    return setting.nets.map((net) => this.cellOf(net, setting.batch, setting.lr));
  }

  /**
   * The recorded setting nearest to the wanted one, with all the nets or as many as there are:
   * batch size first, then learning rate.
   * @param {Setting} setting
   */
  nearestTo(setting) {
    let best = null;
    for (const net of setting.nets) {
      for (const [size, rates] of Object.entries(this.ratesOf(net))) {
        for (const rate of Object.keys(rates)) {
          const [batch, lr] = [Number(size), Number(rate)];
          const missing = setting.nets.filter((each) => !this.cellOf(each, batch, lr)).length;
          const distance = 1e6 * missing + 1e3 * far(batch, setting.batch) + far(lr, setting.lr);
          if (!best || distance < best.distance) best = { batch, lr, distance };
        }
      }
    }
    return best;
  }

  /**
   * What is recorded at a setting, in words, and where to go if something is not.
   * @param {Setting} setting
   * @returns {{ text: string, nearest: Place | null }}
   */
  about(setting) {
    const found = this.of(setting);
    const known = [...LETTERS].filter((_, i) => found[i]);
    const here = `learning rate ${setting.lr} and batch size ${setting.batch}`;
    const recorded = `recorded in PyTorch with ${this.seeds} seeds at ${here}`;
    if (known.length === found.length) {
      return { text: `Shaded: ${recorded}; mean and 95% interval.`, nearest: null };
    }
    const best = this.nearestTo(setting);
    if (!best) {
      const nets = found.length > 1 ? "these nets" : "this net";
      return { text: `Nothing is recorded for ${nets}.`, nearest: null };
    }
    const text = known.length
      ? `Shaded: net ${known[0]}, ${recorded}; the other net is not recorded there.`
      : `Nothing is recorded at ${here}.`;
    const words = [];
    if (best.lr !== setting.lr) words.push(`learning rate ${best.lr}`);
    if (best.batch !== setting.batch) words.push(`batch size ${best.batch}`);
    return { text, nearest: words.length ? { ...best, words: words.join(", ") } : null };
  }

  /** @param {Band | undefined} band */
  inWords(band) {
    if (!band) return "Not recorded at this setting.";
    const end = band.mean.length - 1;
    const some = band.all ? `${band.learned} of ${band.all} seeds learn, to ` : "";
    const mean = percent(band.mean[end] ?? Number.NaN) + bounds(band, end);
    return `Recorded: ${some}${mean} after ${end} epochs.`;
  }
}
