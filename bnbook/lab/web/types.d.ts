// Shapes of what Python hands over, of messages between trainers and labs, and of imports that
// are no modules.

declare module "worker:*" {
  const text: string;
  export default text;
}
declare module "*.wasm" {
  const base64: string;
  export default base64;
}
declare module "*.css";

/** Where an element lives: in a page of the site, or in a live notebook. */
interface Host {
  /** The widget's model in Jupyter, null on a page. */
  model: Model | null;
  /** Address of the site's root, with a slash at its end; null in Jupyter. */
  site: string | null;
  /** Loads what training needs. */
  engine(): Promise<Engine>;
}

/** The engine's bytes in base64, and the source of the worker that runs it. */
interface Engine {
  wasm: string;
  worker: string;
}

/** What anywidget hands to a widget. */
interface Model {
  get(name: string): any;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, listener: (...values: any[]) => void): void;
  off(event: string, listener: (...values: any[]) => void): void;
}

/** Builds an element in `root` from its data; returns what takes it down again. */
type Mount<Data> = (root: HTMLElement, data: Data, host: Host) => () => void;

type NormName = "batch" | "mean" | "variance" | "none";

/** A net of the lab: LeNet with these settings. */
interface Net {
  norms: NormName[];
  affine: "both" | "gamma" | "beta" | "none";
  convBias: boolean;
  linearBias: boolean;
  activation: "sigmoid" | "relu";
  trained: "all" | "norm" | "norm+head" | "head";
}

/** A change of the learning rate from `step` on; `linked`: a permalink asked for it. */
interface Change {
  step: number;
  lr: number;
  linked?: boolean;
}

/** All that a run depends on: the same setting gives the same bits. */
interface Setting {
  nets: Net[];
  lr: number;
  batch: number;
  seed: number;
  epochs: number;
  every: "epoch" | number;
  changes: Change[];
  momentum: number;
  /** Of the weights: weight decay. */
  decay: number;
  data: DataName;
}

/** A data set of the page: bnbook/lab/images.py. */
type DataName = "digits" | "clothes";

/** Where its images are, the global name that they come under, and their Adler-32. */
interface ImageFile {
  address: string;
  variable: string;
  checksum: number;
}

/** What Python says of a lab: bnbook/lab/settings.py. */
interface LabSettings {
  preset: string;
  title: string;
  ask: string;
  start: { lr: number; batch: number; epochs: number };
  nets: { label: string; code: string }[];
  controls: string[];
  watch: "" | "bias gradients" | "gamma and beta" | "time" | "contrast" | "running statistics";
  lrs: number[];
  batch_sizes: number[];
  epochs: number[];
  every: Record<string, string>;
  max_seed: number;
  /** The layers that a norm can follow. */
  layers: string[];
  words: Words;
  momenta: number[];
  decays: number[];
  data: Record<DataName, ImageFile>;
  train_count: number;
  range: number;
  looks: Look[];
  kept_colours: string[];
  accuracy_ticks: number[];
  loss_ticks: number[];
  top: number;
  perfect: number;
  /** In Jupyter; a page loads them. */
  bands?: Bands;
  /** In Jupyter: where to train, "browser" or a device of the kernel, with words for each. */
  trainers?: Record<string, string>;
  /** In Jupyter: numbers of training images for the kernel, with words for each. */
  train_sizes?: Record<string, string>;
}

/** What can be chosen, with its words. */
interface Words {
  norms: Record<NormName, string>;
  phrases: Record<NormName, string>;
  letters: Record<NormName, string>;
  affine: Record<string, string>;
  biases: Record<string, string>;
  activation: Record<string, string>;
  trained: Record<string, string>;
}

/** Recorded runs by net, batch size and learning rate: bnbook/lab/bands.py. */
interface Bands {
  seeds: number;
  cells: Record<string, Record<string, Record<string, (number | null)[][]>>>;
}

/** A recorded cell: lists over epochs from 0, null where there is nothing to show. */
interface Band {
  mean: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
  loss: (number | null)[];
}

/** What goes on inside a net, by slot or layer. */
interface Probe {
  before: ArrayLike<number>[];
  after: ArrayLike<number>[];
  squareBefore: number[];
  squareNormed: number[];
  squareActivated: number[];
  gamma: (ArrayLike<number> | null)[];
  beta: (ArrayLike<number> | null)[];
  gradientNorm: number[];
  biasGradientNorm: number[];
  /** Which share of the mean square tells images apart, after each activation and at the output. */
  imageShare: number[];
}

interface Evaluation {
  net: number;
  step: number;
  seconds: number;
  correct: number;
  correctRunning: number;
  loss: number;
  probe: Probe;
}

/**
 * What trainers say; `hidden` and `shown` speak of the browser's tab. The kernel's says with
 * `ready` what it trains, which another view or Python may have started, `paused` likewise.
 */
type Message =
  | { type: "ready"; perEpoch: number; total: number; images: number; setting?: Setting }
  | { type: "paused"; on: boolean }
  | { type: "stopped" }
  | Progress
  | { type: "done"; hashes: string[]; mistakes: Mistake[][] }
  | { type: "error"; text: string }
  | { type: "hidden" | "shown" };

/** A validation image that a net takes for something else; pixels 0 to 15, row by row. */
interface Mistake {
  label: number;
  answer: number;
  pixels: ArrayLike<number>;
}

interface Progress {
  type: "progress";
  step: number;
  speed: number;
  changes: Change[];
  evaluations: Evaluation[];
  nets: { alive: boolean; losses: number[] }[];
}

interface Trainer {
  start(setting: Setting): void;
  pause(wanted: boolean): void;
  setRate(lr: number): void;
  stop(): void;
}

/** How a series is drawn. */
interface Look {
  colour: string;
  dash: string;
  marker: string;
}

/** A sigmoid under inputs of mean beta and standard deviation gamma; Python computes the fits. */
interface SigmoidData {
  gammas: number[];
  betas: number[];
  /** Where the sliders start, by index. */
  start: [number, number];
  /** By gamma and beta: slope and intercept of the line, percent explained, percent in -1..1. */
  fits: [number, number, number, number][][];
  /** The drawn part of the axis, to both sides of 0. */
  reach: number;
  /** What is said of a fit, with {fit} and {inside} for its percentages. */
  said: string;
}

/** Lists over the epochs that were evaluated; null where there is nothing to show. */
type Course = (number | null)[];

/** The recorded runs of one arm at one setting. */
interface RecordedCell {
  mean: Course;
  low: Course;
  high: Course;
  loss: Course;
  /** Accuracies and losses of each seed. */
  seeds: Course[];
  losses: Course[];
  /** "4 of 5" */
  trained: string;
  /** Final accuracy with its interval. */
  final: string;
  /** How the runs ended. */
  text: string;
}

interface RecordedData {
  lrs: number[];
  batch_sizes: number[];
  /** Where the sliders start, by index: learning rate, batch size. */
  start: [number, number];
  arms: (Look & { label: string })[];
  /** The epochs that were evaluated. */
  at: number[];
  /** Where the accuracy axis ends. */
  best: number;
  accuracy_ticks: number[];
  loss_ticks: number[];
  /** The smallest and the largest. */
  losses: [number, number];
  /** By arm, batch size and learning rate. */
  cells: (RecordedCell | null)[][][];
  about: string;
}
