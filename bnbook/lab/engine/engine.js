// The engine (engine.c, compiled to WebAssembly) as a JavaScript object. No imports and no DOM:
// the same file serves a worker, which has it inlined, and Node.

/** Bins of the histograms that probe() returns, over -8..8; the outer take the rest. */
const BINS = 64;

const NORMS = ["none", "batch", "mean", "variance"];
const FEATURES = [6, 16, 120, 84];
const AREAS = [576, 64, 1, 1];
const PIXELS = 784;
const PROBE_SIZE = 256;
const MAX_BATCH = 512;
const MAX_SEED = 429495;

/**
 * What engine.c exports; addresses and counts are numbers, and so is a net.
 * @typedef {object} Exports
 * @property {WebAssembly.Memory} memory
 * @property {() => number} capacity
 * @property {() => number} pixels
 * @property {() => number} labels
 * @property {() => number} answers
 * @property {(count: number, train: number) => void} setData
 * @property {(...settings: (number | boolean)[]) => number} create
 * @property {(net: number) => void} destroy
 * @property {(net: number) => number} count
 * @property {(net: number) => number} parameters
 * @property {(net: number) => number} gradients
 * @property {(net: number) => number} order
 * @property {(net: number) => bigint} hash
 * @property {(net: number) => number} steps
 * @property {(net: number, lr: number) => number} step
 * @property {(net: number) => number} evaluate
 * @property {(net: number) => number} probe
 * @property {(net: number, slot: number) => number} gammaAt
 * @property {(net: number, slot: number) => number} betaAt
 * @property {(x: number) => number} exp
 * @property {(x: number) => number} log
 */

/**
 * What a net is and how it learns.
 * @typedef {object} NetSettings
 * @property {string[]} norms four of "none", "batch", "mean", "variance"
 * @property {{ hidden: boolean, head: boolean, gamma: boolean, beta: boolean }} learned hidden and
 *   head: the weights and biases of the hidden layers and of the last one
 * @property {boolean} convBias
 * @property {boolean} linearBias
 * @property {string} activation "sigmoid" or "relu"
 * @property {number} batchSize 2..512
 * @property {number} [momentum] of SGD, 0 to below 1; 0 if left out
 * @property {number} [decay] of weights, from 0; 0 if left out
 */

/**
 * Make an engine from the bytes of engine.wasm: a memory of its own, no data yet.
 * @param {BufferSource} bytes
 */
export async function createEngine(bytes) {
  const { instance } = await WebAssembly.instantiate(bytes);
  return new Engine(/** @type {Exports} */ (/** @type {unknown} */ (instance.exports)));
}

/**
 * A view of the memory, which never grows, so that it stays valid; what leaves the engine is a copy.
 * @template {Uint8Array | Int32Array | Uint32Array | Float32Array | Float64Array} View
 * @param {Exports} wasm
 * @param {new (buffer: ArrayBuffer, at: number, length: number) => View} type
 * @param {number} at
 * @param {number} length
 */
function view({ memory }, type, at, length) {
  return new type(memory.buffer, at, length);
}

class Engine {
  #wasm;
  /** @type {Set<number>} */
  #living = new Set();
  #images = 0;
  #train = 0; // images to train on, the first ones

  /** @param {Exports} wasm */
  constructor(wasm) {
    this.#wasm = wasm;
  }

  /**
   * Hand over the images: pixels (images * 784) of values 0..15, labels of values 0..9. The first
   * trainCount are for training, the others for validation.
   * @param {Uint8Array} pixels
   * @param {Uint8Array} labels
   * @param {number} trainCount
   */
  setData(pixels, labels, trainCount) {
    const wasm = this.#wasm;
    const count = labels.length;
    if (this.#living.size) throw new Error("free the nets before the data change");
    if (count > wasm.capacity()) throw new RangeError(`more than ${wasm.capacity()} images`);
    if (pixels.length !== count * PIXELS) throw new RangeError(`not ${PIXELS} pixels a label`);
    if (!(trainCount >= 2 && trainCount < count)) {
      throw new RangeError("images to train on and images to validate with are needed");
    }
    view(wasm, Uint8Array, wasm.pixels(), pixels.length).set(pixels);
    view(wasm, Uint8Array, wasm.labels(), count).set(labels);
    wasm.setData(count, trainCount);
    this.#images = count;
    this.#train = trainCount;
  }

  /**
   * The 784 pixels, 0..15, of a validation image, index from 0 among these.
   * @param {number} index
   */
  image(index) {
    if (!(index >= 0 && index < this.#images - this.#train)) throw new RangeError(`no image ${index}`);
    const at = this.#wasm.pixels() + (this.#train + index) * PIXELS;
    return view(this.#wasm, Uint8Array, at, PIXELS).slice();
  }

  /**
   * Make a net with the initial weights and the batch order of seed.
   * @param {NetSettings} settings
   * @param {number} seed
   */
  createNet(settings, seed) {
    const kinds = settings.norms.map((norm) => NORMS.indexOf(norm));
    this.#check(settings, kinds, seed);
    const { learned, convBias, linearBias, activation, batchSize } = settings;
    const { momentum = 0, decay = 0 } = settings;
    const net = this.#wasm.create(
      kinds.reduce((bits, kind, slot) => bits | (kind << (2 * slot)), 0),
      ...[learned.hidden, learned.head, learned.gamma, learned.beta],
      ...[convBias, linearBias, activation === "relu", momentum, decay, batchSize, seed],
    );
    if (!net) throw new Error("too many nets: free one first");
    this.#living.add(net);
    const forget = () => this.#living.delete(net);
    return new Net(this.#wasm, net, batchSize, this.#images, this.#train, forget);
  }

  /**
   * @param {NetSettings} settings
   * @param {number[]} kinds
   * @param {number} seed
   */
  #check({ batchSize, activation, momentum = 0, decay = 0 }, kinds, seed) {
    if (kinds.length !== 4 || kinds.includes(-1)) throw new RangeError("unknown norm");
    if (!["sigmoid", "relu"].includes(activation)) throw new RangeError("unknown activation");
    const most = Math.min(MAX_BATCH, this.#train);
    if (!(Number.isInteger(batchSize) && batchSize >= 2 && batchSize <= most)) {
      throw new RangeError(`no batches of ${batchSize} images`);
    }
    if (!(momentum >= 0 && momentum < 1)) throw new RangeError(`no momentum ${momentum}`);
    if (!(decay >= 0 && decay < Infinity)) throw new RangeError(`no weight decay ${decay}`);
    if (!(Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED)) {
      throw new RangeError(`no seed ${seed}`);
    }
  }

  /** @param {number} x */
  exp(x) {
    return this.#wasm.exp(x);
  }

  /** @param {number} x */
  log(x) {
    return this.#wasm.log(x);
  }
}

class Net {
  #wasm;
  #net;
  #images;
  #train;
  #forget;

  /**
   * @param {Exports} wasm
   * @param {number} net
   * @param {number} batchSize
   * @param {number} images
   * @param {number} train images to train on, the first ones
   * @param {() => void} forget
   */
  constructor(wasm, net, batchSize, images, train, forget) {
    this.#wasm = wasm;
    this.#net = net;
    this.#images = images;
    this.#train = train;
    this.#forget = forget;
    this.stepsPerEpoch = Math.floor(train / batchSize);
  }

  get steps() {
    return this.#wasm.steps(this.#net);
  }

  /**
   * Train on the next batch; return the loss before the step.
   * @param {number} lr
   */
  step(lr) {
    return this.#wasm.step(this.#net, lr);
  }

  /**
   * Validate: images right with re-estimated statistics and with running ones, and the mean loss
   * of the former.
   */
  evaluate() {
    const at = this.#wasm.evaluate(this.#net);
    const [loss] = view(this.#wasm, Float64Array, at, 1);
    const [correct, correctRunning] = view(this.#wasm, Int32Array, at + 8, 2);
    return { correct, correctRunning, loss };
  }

  /**
   * The first `most` validation images that the net, with re-estimated statistics, takes for
   * something else: [{ index, label, answer }], index from 0 among these images.
   * @param {number} most
   */
  mistakes(most) {
    this.#wasm.evaluate(this.#net);
    const [train, count] = [this.#train, this.#images - this.#train];
    const labels = view(this.#wasm, Uint8Array, this.#wasm.labels() + train, count);
    const answers = view(this.#wasm, Uint8Array, this.#wasm.answers() + train, count);
    const found = [];
    for (let index = 0; index < count && found.length < most; index++) {
      const [label, answer] = [labels[index], answers[index]];
      if (label !== answer) found.push({ index, label, answer });
    }
    return found;
  }

  /**
   * Look at a pass in training mode over the first 256 training images. Of each slot: the shares
   * of values per bin, and the mean squares, before the norm, after it, and after the activation.
   * Of each layer: l2 norms of the gradients of weights and biases (NaN where a layer has no bias),
   * and which share of the mean square, after the activation or at the output, tells images apart
   * (NaN where all is 0). Copies of gamma and beta, null where a slot has none.
   */
  probe() {
    const at = this.#wasm.probe(this.#net);
    const squares = view(this.#wasm, Float64Array, at, 12);
    const bins = view(this.#wasm, Uint32Array, at + 216, 12 * (BINS + 1));
    const count = Math.min(PROBE_SIZE, this.#train);
    /** @param {number} place */
    const perLayer = (place) => [...view(this.#wasm, Float64Array, at + 96 + 40 * place, 5)];
    /** @param {number} place */
    const square = (place) => FEATURES.map((_, slot) => squares[3 * slot + place]);
    /** @param {number} place */
    const shares = (place) =>
      FEATURES.map((features, slot) => {
        const start = (3 * slot + place) * (BINS + 1);
        const values = count * features * AREAS[slot];
        return Float32Array.from(bins.subarray(start, start + BINS), (n) => n / values);
      });
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
      gamma: this.#perSlot(this.#wasm.gammaAt),
      beta: this.#perSlot(this.#wasm.betaAt),
    };
  }

  /** @param {(net: number, slot: number) => number} at */
  #perSlot(at) {
    return FEATURES.map((features, slot) => {
      const start = at(this.#net, slot);
      return start < 0 ? null : this.#values.slice(start, start + features);
    });
  }

  get #count() {
    return this.#wasm.count(this.#net);
  }

  get #values() {
    return view(this.#wasm, Float32Array, this.#wasm.parameters(this.#net), this.#count);
  }

  /** All parameters, in the order of PyTorch's named_parameters(). */
  parameters() {
    return this.#values.slice();
  }

  /** @param {ArrayLike<number>} values */
  loadParameters(values) {
    if (values.length !== this.#count) {
      throw new RangeError(`this net has ${this.#count} parameters`);
    }
    this.#values.set(values);
  }

  /** The gradients of the last step, in the same order; 0 where a parameter is fixed. */
  gradients() {
    return view(this.#wasm, Float32Array, this.#wasm.gradients(this.#net), this.#count).slice();
  }

  /** The order of the training images in the present epoch. */
  order() {
    return view(this.#wasm, Uint32Array, this.#wasm.order(this.#net), this.#train).slice();
  }

  /** Sixteen hexadecimal digits that stand for the bits of all parameters. */
  hash() {
    const bits = BigInt.asUintN(64, this.#wasm.hash(this.#net));
    return bits.toString(16).padStart(16, "0");
  }

  /** Give the net's place back; it must not be used any more. */
  free() {
    this.#forget();
    this.#wasm.destroy(this.#net);
  }
}
