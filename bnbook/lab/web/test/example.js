// Settings of a lab, as Python hands them over, cut to what the tests read.

/** @type {LabSettings} */
export const SETTINGS = {
  preset: "lite",
  title: "Remove only the mean",
  ask: "What happens?",
  start: { lr: 1, batch: 128, epochs: 10 },
  nets: [{ label: "Batch norm", code: "bbbb-gb-cl-s" }],
  controls: ["norms"],
  watch: "",
  lrs: [0.001, 0.16, 1, 8],
  batch_sizes: [64, 128],
  epochs: [10, 20],
  every: { epoch: "after each epoch", 5: "every 5 steps" },
  max_seed: 429495,
  layers: ["conv1", "conv2", "fc1", "fc2"],
  words: {
    data: { digits: "Digits (MNIST)", clothes: "Clothes (Fashion-MNIST)" },
    norms: { batch: "Batch norm", mean: "Mean only", variance: "Variance only", none: "None" },
    phrases: {
      batch: "batch norm",
      mean: "mean-only norm",
      variance: "variance-only norm",
      none: "no norm",
    },
    letters: { batch: "b", mean: "m", variance: "v", none: "n" },
    affine: { both: "Both learned", gamma: "Beta fixed", beta: "Gamma fixed", none: "Both fixed" },
    biases: { cl: "All", l: "None in convolutions", c: "None in hidden linear layers", "": "None" },
    activation: { sigmoid: "Sigmoid", relu: "ReLU" },
    trained: { all: "Everything", norm: "Gamma and beta" },
  },
  momenta: [0, 0.9],
  decays: [0, 0.00001, 0.0005],
  data: {
    digits: { address: "data/digits.js", variable: "bnDigits", checksum: 0 },
    clothes: { address: "data/fashion.js", variable: "bnClothes", checksum: 0 },
  },
  train_count: 4000,
  range: 8,
  looks: [],
  kept_colors: [],
  trial: null,
  accuracy_ticks: [],
  loss_ticks: [],
  top: 0.992,
  perfect: 0.9995,
};

/**
 * Batch norm everywhere, but for what is asked.
 * @param {Partial<Net>} [changes]
 * @returns {Net}
 */
export function net(changes = {}) {
  return {
    norms: ["batch", "batch", "batch", "batch"],
    affine: "both",
    convBias: true,
    linearBias: true,
    activation: "sigmoid",
    trained: "all",
    ...changes,
  };
}
