// What a net is called, and which parts of its description mean anything.

/** @param {Net} net */
const isNormed = (net) => net.norms.some((norm) => norm !== "none");

/**
 * Whether a net's gammas, or its betas, are trained.
 * @param {Net} net
 * @param {"gamma" | "beta"} name
 */
export const learns = ({ trained, affine }, name) =>
  trained !== "head" && ["both", name].includes(affine);

/**
 * Why training a net would move nothing; no words where it does move something.
 * @param {Net} net
 */
export function whyStuck(net) {
  if (net.trained !== "norm") return "";
  if (!isNormed(net)) return "only gamma and beta are trained, and it has no norm";
  return net.affine === "none" ? "only gamma and beta are trained, and both are fixed" : "";
}

/**
 * The same training in its plainest description: what means nothing beside the rest is as usual.
 * @param {Net} net
 * @returns {Net}
 */
export function plainest(net) {
  const learnable = isNormed(net) && net.affine !== "none";
  const trained = net.trained === "norm+head" && !learnable ? "head" : net.trained;
  return { ...net, trained, affine: isNormed(net) && trained !== "head" ? net.affine : "both" };
}

/**
 * "Batch norm, no biases": a name for a net that is none of the preset's own.
 * @param {Net} described
 * @param {LabSettings} data
 */
export function nameOf(described, { words, layers }) {
  const net = plainest(described);
  const parts = [normsInWords(net.norms, words.phrases, layers)];
  if (isNormed(net) && net.trained === "all" && net.affine !== "both") {
    parts.push(net.affine === "none" ? "gamma and beta fixed" : words.affine[net.affine]);
  }
  if (!net.convBias && !net.linearBias) parts.push("no biases");
  else if (!net.convBias) parts.push("no biases in convolutions");
  else if (!net.linearBias) parts.push("no biases in linear layers");
  const text = parts.join(", ").toLowerCase();
  const more = net.activation === "relu" ? [words.activation.relu] : [];
  if (net.trained !== "all") more.push(trainedInWords(net));
  return capital([text, ...more].join(", "));
}

/**
 * @param {NormName[]} norms
 * @param {Record<NormName, string>} phrases
 * @param {string[]} layers
 */
function normsInWords(norms, phrases, layers) {
  const kinds = [...new Set(norms)];
  if (kinds.length === 1) return phrases[kinds[0]];
  return kinds
    .filter((kind) => kind !== "none")
    .map(
      (kind) => `${phrases[kind]} after ${layers.filter((_, i) => norms[i] === kind).join(", ")}`,
    )
    .join("; ");
}

/** @param {Net} net */
function trainedInWords(net) {
  if (whyStuck(net)) return "nothing trained";
  const words = ["gamma", "beta"].filter((name) =>
    learns(net, /** @type {"gamma" | "beta"} */ (name)),
  );
  if (net.trained !== "norm") words.push("the last layer");
  const last = words.pop();
  return `only ${words.length ? `${words.join(", ")} and ` : ""}${last} trained`;
}

/** @param {string} text */
export function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}
