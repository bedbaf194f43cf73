// The engine (engine.c, compiled to WebAssembly) as a JavaScript object. No imports and no DOM:
// the same file serves a worker, which has it inlined, and Node.

/** Bins of the histograms that probe() returns, over -RANGE..RANGE; the outer take the rest. */
export const BINS = 64;
export const RANGE = 8;

const NORMS = ["none", "batch", "mean", "variance"];
const FEATURES = [6, 16, 120, 84];
const AREAS = [576, 64, 1, 1];
const PIXELS = 784;
const PROBE_SIZE = 256;
const MAX_BATCH = 512;
const MAX_SEED = 429495;

/** Make an engine from the bytes of engine.wasm: a memory of its own, no data yet. */
export async function createEngine(bytes) {
  const { instance } = await WebAssembly.instantiate(bytes);
  const wasm = instance.exports;
  let images = 0;
  let train = 0; // images to train on, the first ones
  const living = new Set();

  // The memory never grows, so that a view stays valid; what leaves the engine is a copy.
  const view = (type, at, length) => new type(wasm.memory.buffer, at, length);
  const copied = (type, at, length) => view(type, at, length).slice();

  /**
   * Hand over the images: pixels Uint8Array (images * 784) of values 0..15, labels
   * Uint8Array of values 0..9. The first trainCount are for training, the others for validation.
   */
  function setData(pixels, labels, trainCount) {
    const count = labels.length;
    if (living.size) throw new Error("free the nets before the data change");
    if (count > wasm.capacity()) throw new RangeError("more than " + wasm.capacity() + " images");
    if (pixels.length !== count * PIXELS) throw new RangeError("not " + PIXELS + " pixels a label");
    if (!(trainCount >= 2 && trainCount < count)) {
      throw new RangeError("images to train on and images to validate with are needed");
    }
    view(Uint8Array, wasm.pixels(), pixels.length).set(pixels);
    view(Uint8Array, wasm.labels(), count).set(labels);
    wasm.setData(count, trainCount);
    images = count;
    train = trainCount;
  }

  /** The 784 pixels, 0..15, of a validation image, index from 0 among these. */
  function image(index) {
    if (!(index >= 0 && index < images - train)) throw new RangeError("no image " + index);
    return copied(Uint8Array, wasm.pixels() + (train + index) * PIXELS, PIXELS);
  }

  /**
   * Make a net with the initial weights and the batch order of seed. settings: norms (four
   * of "none", "batch", "mean", "variance"), learned ({ hidden, head, gamma, beta }, each true
   * or false; hidden and head: the weights and biases of the hidden layers and of the last one),
   * convBias, linearBias, activation ("sigmoid" or "relu"), batchSize (2..512), and of SGD
   * momentum (0 to below 1) and decay (of weights, from 0), 0 if left out.
   */
  function createNet(settings, seed) {
    const kinds = settings.norms.map((norm) => NORMS.indexOf(norm));
    const { learned, batchSize, activation, momentum = 0, decay = 0 } = settings;
    if (kinds.length !== 4 || kinds.includes(-1)) throw new RangeError("unknown norm");
    if (!["sigmoid", "relu"].includes(activation)) throw new RangeError("unknown activation");
    const most = Math.min(MAX_BATCH, train);
    if (!(Number.isInteger(batchSize) && batchSize >= 2 && batchSize <= most)) {
      throw new RangeError("no batches of " + batchSize + " images");
    }
    if (!(momentum >= 0 && momentum < 1)) throw new RangeError("no momentum " + momentum);
    if (!(decay >= 0 && decay < Infinity)) throw new RangeError("no weight decay " + decay);
    if (!(Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED)) {
      throw new RangeError("no seed " + seed);
    }
    const net = wasm.create(
      kinds.reduce((bits, kind, slot) => bits | (kind << (2 * slot)), 0),
      learned.hidden, learned.head, learned.gamma, learned.beta,
      settings.convBias, settings.linearBias, activation === "relu", momentum, decay, batchSize, seed,
    );
    if (!net) throw new Error("too many nets: free one first");
    living.add(net);
    const count = wasm.count(net);
    const parameters = () => view(Float32Array, wasm.parameters(net), count);
    const perSlot = (at) =>
      FEATURES.map((features, slot) => {
        const start = at(net, slot);
        return start < 0 ? null : parameters().slice(start, start + features);
      });

    return {
      stepsPerEpoch: Math.floor(train / batchSize),
      get steps() {
        return wasm.steps(net);
      },
      /** The place of the next step in its epoch, from 0. */
      get epochStep() {
        return this.steps % this.stepsPerEpoch;
      },

      /** Train on the next batch; return the loss before the step. */
      step: (lr) => wasm.step(net, lr),

      /**
       * Validate: images right with re-estimated statistics and with running ones, and the mean
       * loss of the former.
       */
      evaluate() {
        const at = wasm.evaluate(net);
        const [loss] = view(Float64Array, at, 1);
        const [correct, correctRunning] = view(Int32Array, at + 8, 2);
        return { correct, correctRunning, loss };
      },

      /**
       * The first `most` validation images that the net, with re-estimated statistics, takes for
       * something else: [{ index, label, answer }], index from 0 among these images.
       */
      mistakes(most) {
        wasm.evaluate(net);
        const labels = view(Uint8Array, wasm.labels() + train, images - train);
        const answers = view(Uint8Array, wasm.answers() + train, images - train);
        const found = [];
        for (let index = 0; index < images - train && found.length < most; index++) {
          const [label, answer] = [labels[index], answers[index]];
          if (label !== answer) found.push({ index, label, answer });
        }
        return found;
      },

      /**
       * Look at a pass in training mode over the first 256 training images. Of each slot: the
       * shares of values per bin, and the mean squares, before the norm, after it, and after the
       * activation. Of each layer: l2 norms of the gradients of weights and biases (NaN where a
       * layer has no bias), and which share of the mean square, after the activation or at the
       * output, tells images apart (NaN where all is 0). Copies of gamma and beta, null where a
       * slot has none.
       */
      probe() {
        const at = wasm.probe(net);
        const squares = view(Float64Array, at, 12);
        const perLayer = (place) => [...view(Float64Array, at + 96 + 40 * place, 5)];
        const bins = view(Uint32Array, at + 216, 12 * (BINS + 1));
        const count = Math.min(PROBE_SIZE, train);
        const shares = (place) =>
          FEATURES.map((features, slot) => {
            const start = (3 * slot + place) * (BINS + 1);
            const values = count * features * AREAS[slot];
            return Float32Array.from(bins.subarray(start, start + BINS), (n) => n / values);
          });
        const square = (place) => FEATURES.map((_, slot) => squares[3 * slot + place]);
        return {
          before: shares(0),
          after: shares(1),
          activated: shares(2),
          squareBefore: square(0),
          squareNormed: square(1),
          squareActivated: square(2),
          gradientNorm: perLayer(0),
          biasGradientNorm: perLayer(1),
          imageShare: perLayer(2),
          gamma: perSlot(wasm.gammaAt),
          beta: perSlot(wasm.betaAt),
        };
      },

      /** All parameters, in the order of PyTorch's named_parameters(). */
      parameters: () => parameters().slice(),
      loadParameters(values) {
        if (values.length !== count) throw new RangeError("this net has " + count + " parameters");
        parameters().set(values);
      },
      /** The gradients of the last step, in the same order; 0 where a parameter is fixed. */
      gradients: () => copied(Float32Array, wasm.gradients(net), count),
      /** The order of the training images in the present epoch. */
      order: () => copied(Uint32Array, wasm.order(net), train),
      /** Sixteen hexadecimal digits that stand for the bits of all parameters. */
      hash: () => BigInt.asUintN(64, wasm.hash(net)).toString(16).padStart(16, "0"),

      /** Give the net's place back; it must not be used any more. */
      free() {
        living.delete(net);
        wasm.destroy(net);
      },
    };
  }

  return { setData, image, createNet, exp: wasm.exp, log: wasm.log };
}
