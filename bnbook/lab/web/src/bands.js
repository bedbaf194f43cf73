// The recorded runs beside the reader's own: looked up by setting, never interpolated.
import { netCode } from "./permalink.js";
import { plainest } from "./story.js";
import { percent } from "./svg.js";

const SHARE = 10000; // accuracies are whole numbers of so many parts
const far = (a, b) => Math.abs(Math.log(a / b));

// "bands": { epochs, seeds, cells: { net: { batch: { lr: [mean, low, high, loss] } } } },
// each a list over epochs from 0; null where there is nothing to show.
export function createBands(bands) {
  const cells = bands ? bands.cells : {};

  // Without norms, say, it is all one what of gamma and beta is fixed.
  const codeOf = (net) => netCode(plainest(net));

  function cellOf(net, batch, lr) {
    const found = ((cells[codeOf(net)] || {})[batch] || {})[lr];
    if (!found) return null;
    const share = (values) => values.map((value) => (value === null ? null : value / SHARE));
    return { mean: share(found[0]), low: share(found[1]), high: share(found[2]), loss: found[3] };
  }

  function of(setting) {
    return setting.nets.map((net) => cellOf(net, setting.batch, setting.lr));
  }

  // The recorded setting nearest to the wanted one, with all the nets or as many as there are:
  // batch size first, then learning rate.
  function nearestTo(setting) {
    let best = null;
    for (const net of setting.nets) {
      for (const [size, rates] of Object.entries(cells[codeOf(net)] || {})) {
        for (const rate of Object.keys(rates)) {
          const [batch, lr] = [Number(size), Number(rate)];
          const missing = setting.nets.filter((each) => !cellOf(each, batch, lr)).length;
          const distance = 1e6 * missing + 1e3 * far(batch, setting.batch) + far(lr, setting.lr);
          if (!best || distance < best.distance) best = { batch, lr, distance };
        }
      }
    }
    return best;
  }

  // What is recorded here, in words, and where to go if nothing is.
  function about(setting, letters) {
    const found = of(setting);
    const known = found.map((cell, i) => (cell ? letters[i] : "")).filter(Boolean);
    const here = "learning rate " + setting.lr + " and batch size " + setting.batch;
    if (known.length === found.length) {
      return { text: "Shaded: recorded in PyTorch with " + bands.seeds + " seeds at " + here + "; mean and 95 % interval." };
    }
    const best = nearestTo(setting);
    if (!best) return { text: "Nothing is recorded for " + (found.length > 1 ? "these nets." : "this net.") };
    const text = known.length
      ? "Shaded: net " + known[0] + ", recorded in PyTorch with " + bands.seeds + " seeds at " + here + "; the other net is not recorded there."
      : "Nothing is recorded at " + here + ".";
    const words = [best.lr === setting.lr ? "" : "learning rate " + best.lr, best.batch === setting.batch ? "" : "batch size " + best.batch].filter(Boolean).join(", ");
    return { text, nearest: words && { lr: best.lr, batch: best.batch, words } };
  }

  function inWords(cell) {
    if (!cell) return "Not recorded at this setting.";
    const end = cell.mean.length - 1;
    const bounds = cell.low[end] === null ? "" : " [" + (100 * cell.low[end]).toFixed(1) + ", " + (100 * cell.high[end]).toFixed(1) + "]";
    return "Recorded: " + percent(cell.mean[end]) + bounds + " after " + end + " epochs.";
  }

  return { of, about, inWords };
}
