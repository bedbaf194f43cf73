// Training in a worker: it is made when training starts, and ended when that is done, on Reset,
// and when the lab leaves the page. A hidden tab pauses.

// A browser that was told so by the server refuses without a word of its own.
const NO_WORKER =
  "the browser refused to start the worker that trains; the server of this page may forbid it " +
  '(its Content-Security-Policy needs "worker-src blob:")';

// The smallest module with an instruction of SIMD: 0 in all sixteen lanes, and away with it.
const HEAD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0];
const SIMD = new Uint8Array([...HEAD, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11]);

/** Whether this browser can run the engine at all: SIMD, and a way to unpack the images. */
export function canTrain() {
  const parts = ["WebAssembly", "Worker", "DecompressionStream"];
  return parts.every((part) => part in globalThis) && WebAssembly.validate(SIMD);
}

/** @implements {Trainer} */
export class WorkerTrainer {
  /**
   * @param {() => Promise<Engine>} engine
   * @param {(name: DataName) => Promise<string>} images loads those of a data set
   * @param {number} trainCount how many of them train
   * @param {(message: Message) => void} listen
   */
  constructor(engine, images, trainCount, listen) {
    this.engine = engine;
    this.images = images;
    this.trainCount = trainCount;
    this.listen = listen;
    /** @type {Worker | null} */
    this.worker = null;
    this.address = "";
    this.attempt = 0; // a start that was reset while it still loaded must not go on
    this.paused = false;
    this.pausedByTab = false;
    this.watchTab = this.watchTab.bind(this);
  }

  /** @param {Setting} setting */
  async start(setting) {
    this.stop();
    this.attempt += 1;
    const mine = this.attempt;
    document.addEventListener("visibilitychange", this.watchTab);
    try {
      const [{ wasm, worker }, images] = await Promise.all([
        this.engine(),
        this.images(setting.data),
      ]);
      if (mine !== this.attempt) return;
      this.address = URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));
      this.worker = new Worker(this.address);
      this.worker.onmessage = (event) => this.hear(event.data);
      this.worker.onerror = ({ message }) => {
        this.hear({ type: "error", text: message || NO_WORKER });
      };
      this.send({ type: "start", wasm, images, trainCount: this.trainCount, setting });
      if (this.pausedByTab) this.send({ type: "pause" }); // it was hidden before there was a worker
      this.watchTab();
    } catch (error) {
      if (mine === this.attempt) this.hear({ type: "error", text: messageOf(error) });
    }
  }

  /** @param {unknown} message */
  send(message) {
    this.worker?.postMessage(message);
  }

  /** @param {Message} message */
  hear(message) {
    if (message.type === "done" || message.type === "error") this.stop();
    this.listen(message);
  }

  watchTab() {
    if (document.hidden === this.pausedByTab || this.paused) return;
    this.pausedByTab = document.hidden;
    this.send({ type: this.pausedByTab ? "pause" : "resume" });
    this.listen({ type: this.pausedByTab ? "hidden" : "shown" });
  }

  /** @param {boolean} wanted */
  pause(wanted) {
    this.paused = wanted;
    this.send({ type: wanted ? "pause" : "resume" });
  }

  /** @param {number} lr */
  setRate(lr) {
    this.send({ type: "rate", lr });
  }

  stop() {
    this.attempt += 1;
    document.removeEventListener("visibilitychange", this.watchTab);
    this.worker?.terminate();
    URL.revokeObjectURL(this.address);
    this.worker = null;
    this.paused = false;
    this.pausedByTab = false;
  }
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
