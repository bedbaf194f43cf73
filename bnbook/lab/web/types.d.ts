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
}

/** What goes on inside a net, by slot or layer. */
interface Probe {
  before: number[][];
  after: number[][];
  gamma: (number[] | null)[];
  beta: (number[] | null)[];
  gradientNorm: number[];
  biasGradientNorm: number[];
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

/** What trainers say; `hidden` and `shown` speak of the browser's tab. */
type Message =
  | { type: "ready"; perEpoch: number; total: number; images: number }
  | Progress
  | { type: "done"; hashes: string[] }
  | { type: "error"; text: string }
  | { type: "hidden" | "shown" };

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
  colour: string;
  dash: string;
  marker: string;
}
