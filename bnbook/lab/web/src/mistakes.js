// The first validation images that each net gets wrong, with its answers.
import { h } from "./dom.js";

const SIDE = 28;
const LEVELS = 15;

/** @typedef {import("./run.js").Run} Run */

/**
 * @param {Element} holder
 * @param {Run | null} run
 */
export function fillMistakes(holder, run) {
  if (!run?.over) {
    holder.replaceChildren(h("p", {}, "Train to the end first; the images will appear here."));
    return;
  }
  holder.replaceChildren(...run.nets.map(galleryOf));
}

/** @param {import("./run.js").RunningNet} one */
function galleryOf({ label, name, mistakes }) {
  const words = mistakes.length
    ? `${label} · ${name}: the first ${mistakes.length} that it gets wrong, and its answers`
    : `${label} · ${name}: it gets none wrong`;
  return h("figure", { class: "gallery" }, h("figcaption", {}, words), ...mistakes.map(pictureOf));
}

/** @param {Mistake} mistake */
function pictureOf({ label, answer, pixels }) {
  const words = `${label}, taken for ${answer}`;
  const canvas = h("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": words });
  const context = canvas.getContext("2d");
  if (context) {
    const image = context.createImageData(SIDE, SIDE);
    for (let i = 0; i < pixels.length; i++) {
      image.data.fill((255 * pixels[i]) / LEVELS, 4 * i, 4 * i + 3);
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }
  return h("span", { class: "mistake" }, canvas, h("span", {}, `${label} → ${answer}`));
}
