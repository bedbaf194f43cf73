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

/** Adler-32 of the engine's two texts, one after the other; put in when the front end is bundled. */
declare const ENGINE_CHECKSUM: number;

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

/** A number that is asked for. `key` and `rough` are hashes of it, `near` replies by hashes. */
interface Field {
  label: string;
  /** Significant digits; null: it is exact. */
  digits: number | null;
  key: string;
  rough: string;
  near: Record<string, string>;
}

type Task =
  | { kind: "numbers"; fields: Field[] }
  | { kind: "choice"; options_html: string[]; replies: string[]; key: string }
  | {
      kind: "line";
      code: string;
      options: string[];
      where_html: string;
      replies: string[];
      key: string;
    };

/** A listing with a mistake; `after` is the veiled HTML of what it did and what catches it. */
interface Bug {
  id: string;
  code: string;
  /** Hashes of the wrong lines; any of them will do. */
  keys: string[];
  hint: string;
  after: string;
  /** Mean training losses by epoch: of this code, and of the correct one; empty: not recorded. */
  losses: number[][];
}

/** An exercise; `answer` is the veiled HTML of its explanation. */
interface Exercise {
  chapter: string;
  id: string;
  number: number;
  /** Ids of the chapter's exercises that are counted. */
  siblings: string[];
  title_html: string;
  text_html: string;
  hints_html: string[];
  answer: string;
  task: Task;
}

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
  start: Partial<Setting>;
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
  kept_colors: string[];
  trial: Trial | null;
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

/** Where a lab in Jupyter trains, and on how many images. */
interface Place {
  trainer: string;
  trainSize: number;
}

/** The chapter's claim, for a reader to test: bnbook/lab/presets.py. */
interface Trial {
  claim: string;
  /** Where a contrast's first net should end beside its second; "limits": at which rates it trains. */
  direction: "above" | "below" | "same" | "limits";
  /** Places of nets; all of them have to say so. */
  contrasts: [number, number][];
  /** The chapter's nets, with rates of their own or null for the lab's; none: the lab's own two. */
  nets: { label: string; code: string; lr: number | null }[];
  /** Several rates to train at, for a question about limits. */
  lrs: number[];
  seeds: number;
  margin: number;
  /** By how much a limit has to be higher. */
  factor: number;
  /** The accuracy from which on a run counts as trained, by data set. */
  enough: Record<string, number>;
  note: string;
  /** What the book's own runs say. */
  book: {
    decision: string;
    evidence_html: string;
    seeds: number;
    images: number;
    steps: number;
  } | null;
}

/** What can be chosen, with its words. */
interface Words {
  data: Record<string, string>;
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
  /** Where only some of all runs have left chance, how many: the lists are theirs. */
  learned?: number | null;
  all?: number | null;
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

/** One look at a run of the reader's experiment, and the whole run when it has ended. */
interface Row {
  step: number;
  correct: number;
  loss: number;
  /** Mean of the losses since the row before; NaN in the first. */
  trainLoss: number;
}
interface Ended {
  rows: Row[];
  images: number;
  alive: boolean;
  hash: string;
}

/** What a pool says: `done` in progress is the share of all its jobs' steps. */
type PoolMessage =
  | { type: "progress"; done: number }
  | { type: "result"; index: number; ended: Ended }
  | { type: "error"; text: string }
  | { type: "done" | "hidden" | "shown" };

/** How a series is drawn. */
interface Look {
  color: string;
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
