// The markup of what is seen of a run.
import { draw, find, h, spoken } from "./dom.js";
import { folded, scrolling } from "./tables.js";

const ABOUT =
  "LeNet on 5,000 images of the chosen data, 4,000 to train and 1,000 to validate; SGD. " +
  "Accuracies with re-estimated statistics, in parentheses with running ones. The accuracy axis is " +
  "logarithmic in the error.";

/**
 * Panels that are tables: caption, label, and what is in them.
 * @type {Record<string, string[]>}
 */
const TABLES = {
  time: [
    "How long does training take?",
    "Time of training",
    "Training alone, on this machine and now; evaluations are left out.",
  ],
  contrast: [
    "How different do two images still look?",
    "Share that tells images apart, by layer",
    "Of the mean square after each activation, the share that tells images apart. At 1 in 1,000, " +
      "two images look almost the same to the next layer.",
  ],
};

/**
 * A picture with a caption, and words about it for those who cannot see it.
 * @param {string} name
 * @param {string} caption
 * @param {string} label
 */
function chart(name, caption, label) {
  const figure = h("figure", { class: name }, h("figcaption", {}, caption));
  const svg = draw(figure, "svg", { role: "img", "aria-label": `${label}; in numbers below` });
  return { figure, svg };
}

/**
 * The panel beside the layers' distributions: the figure, and where it is drawn.
 * @param {LabSettings["watch"]} watch
 * @returns {{ figure: HTMLElement | string, holder: Element }}
 */
function watched(watch) {
  const soft = (/** @type {(Node | string)[]} */ ...words) => h("p", { class: "soft" }, ...words);
  if (watch === "bias gradients") {
    const question = "How large is the gradient of the biases?";
    const label = "Ratio of bias gradient to weight gradient by layer";
    const { figure, svg } = chart("watch", question, label);
    figure.append(
      soft("Around 10", h("sup", {}, "−6"), " and below, only rounding errors are left."),
    );
    return { figure, holder: svg };
  }
  if (watch === "gamma and beta") {
    const strip = h("div", { class: "strip" });
    const words =
      "From 3 below their start to 3 above it: gamma starts at 1, beta at 0 (the line in the middle).";
    const caption = h("figcaption", {}, "Gamma and beta");
    return { figure: h("figure", { class: "watch" }, caption, strip, soft(words)), holder: strip };
  }
  const [caption, label, words] = TABLES[watch] ?? [];
  if (caption) {
    const table = scrolling(label);
    const figure = h(
      "figure",
      { class: "watch" },
      h("figcaption", {}, caption),
      table,
      soft(words),
    );
    return { figure, holder: table };
  }
  return { figure: "", holder: h("div") };
}

/**
 * @param {LabSettings} data
 * @param {HTMLElement} kept
 */
export function build(data, kept) {
  const status = h(
    "p",
    { class: "status" },
    "Nothing is loaded from elsewhere: the nets train on this machine.",
  );
  const progress = h("progress", { max: 1, value: 0, "aria-label": "Progress of training" });
  const story = h("div", { class: "story" });
  const accuracy = chart("accuracy", "Validation accuracy", "Validation accuracy by epoch");
  const loss = chart("loss", "Training loss", "Training loss by epoch");
  const charts = h("div", { class: "charts" }, accuracy.figure, loss.figure);
  const nearest = h("button", { type: "button", name: "nearest", hidden: true });
  const note = h("p", { class: "band-note" }, h("span"), " ", nearest);
  const distributions = h("div", { class: "strip" });
  const inside = h(
    "figure",
    { class: "inside" },
    h("figcaption", {}, "Inside the layers: before each norm, and into each activation"),
    distributions,
    h(
      "p",
      { class: "soft" },
      "256 training images; each histogram in its own height. Shaded: where the activation is " +
        "live. A sigmoid's slope is there at least a tenth of its greatest.",
    ),
  );
  const watch = watched(data.watch);
  const strips = h("div", { class: "strips", hidden: true }, inside, watch.figure);
  const current = folded("current", "These curves as a table");
  const layers = folded("layers", "The layers as a table");
  const mistakes = folded("mistakes", "Images that the nets get wrong");
  const script = folded("script", "This run as PyTorch code");
  const announcer = spoken("p", "announcer");
  return {
    nodes: [
      h("div", { class: "course" }, progress, status),
      story,
      charts,
      note,
      kept,
      strips,
      current,
      layers,
      mistakes,
      script,
      announcer,
      h("p", { class: "about" }, ABOUT),
    ],
    ...{ status, progress, story, charts, note, nearest, strips, distributions, current, layers },
    ...{ mistakes, script },
    ...{ announcer, accuracy: accuracy.svg, loss: loss.svg, watched: watch.holder },
    noteText: find(note, "span"),
  };
}
