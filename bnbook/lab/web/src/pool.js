// Many runs, each of one net and one seed, in a few workers at once. Results keep the order of the
// jobs, whatever the order in which they end; each has the bits that the lab's own run has.
import { mean } from "./statistics.js";

/** @typedef {ReturnType<typeof begun>} Running */
/** @typedef {{ job: number, run: Running, trainer: Trainer, done: number, total: number }} Slot */

/** How many workers at once leave the page itself a core. */
export function workers() {
  return Math.max(1, (navigator.hardwareConcurrency || 2) - 1);
}

/** One run as far as it has come; `losses` are those since the last evaluation. */
function begun() {
  const losses = /** @type {number[]} */ ([]);
  return { rows: /** @type {Row[]} */ ([]), images: 0, alive: true, losses };
}

/**
 * Take a trainer's report of a run of one net.
 * @param {Running} run
 * @param {Progress} report
 */
function take(run, report) {
  const [net] = report.nets;
  run.losses.push(...net.losses);
  run.alive = net.alive;
  for (const { step, correct, loss } of report.evaluations) {
    run.rows.push({ step, correct, loss, trainLoss: mean(run.losses) });
    run.losses = [];
  }
}

/**
 * `make` makes a trainer that tells its listener what happens, `listen` hears of the pool. After an
 * error nothing goes on.
 * @param {number} most trainers at once
 * @param {(listen: (message: Message) => void) => Trainer} make
 * @param {(message: PoolMessage) => void} listen
 */
export function createPool(most, make, listen) {
  /** @type {Setting[]} */
  let jobs = [];
  /** @type {number[]} */
  let waiting = [];
  /** @type {Set<Slot>} */
  let busy = new Set();
  let ended = 0;
  let hidden = false;
  let paused = false;

  /** @param {Slot} slot */
  function next(slot) {
    if (paused) return; // it ended just then
    const job = waiting.shift();
    if (job === undefined) {
      slot.trainer.stop();
      busy.delete(slot);
      if (!busy.size) listen({ type: "done" });
      return;
    }
    Object.assign(slot, { job, run: begun(), total: 0 });
    slot.trainer.start(jobs[job]);
  }

  function open() {
    /** @type {Slot} */
    const slot = { job: -1, run: begun(), trainer: make((one) => hear(one)), done: 0, total: 0 };
    /** @param {Message} message */
    function hear(message) {
      if (!busy.has(slot)) return; // a worker's last words
      if (message.type === "ready") {
        slot.total = message.total;
        slot.run.images = message.images;
        if (paused) slot.trainer.pause(true); // there was no worker yet to be told
      } else if (message.type === "progress") {
        slot.done = message.step;
        take(slot.run, message);
        tell();
      } else if (message.type === "done") {
        ended += 1;
        const index = slot.job;
        Object.assign(slot, { job: -1, done: 0 });
        const { rows, images, alive } = slot.run;
        listen({ type: "result", index, ended: { rows, images, alive, hash: message.hashes[0] } });
        tell();
        next(slot);
      } else if (message.type === "error") {
        stop();
        listen(message);
      } else {
        watch(message.type === "hidden");
      }
    }
    busy.add(slot);
    return slot;
  }

  // Every trainer says so; the reader is told once.
  /** @param {boolean} now */
  function watch(now) {
    if (now === hidden) return;
    hidden = now;
    listen({ type: hidden ? "hidden" : "shown" });
  }

  function tell() {
    const parts = [...busy].map((slot) => (slot.total ? slot.done / slot.total : 0));
    const sum = parts.reduce((a, b) => a + b, ended);
    listen({ type: "progress", done: sum / jobs.length });
  }

  function stop() {
    const slots = [...busy];
    busy = new Set();
    waiting = [];
    hidden = paused = false;
    for (const slot of slots) slot.trainer.stop();
  }

  return {
    /**
     * Train what of `all` is not in `ready`, the indices of those that have been.
     * @param {Setting[]} all
     * @param {number[]} [ready]
     */
    run(all, ready = []) {
      stop();
      jobs = all;
      waiting = all.map((_, i) => i).filter((i) => !ready.includes(i));
      ended = ready.length;
      const slots = waiting.slice(0, most).map(open);
      for (const slot of slots) next(slot);
    },
    /** @param {boolean} wanted */
    pause(wanted) {
      paused = wanted;
      for (const slot of [...busy]) {
        if (slot.job >= 0) slot.trainer.pause(wanted);
        else next(slot);
      }
    },
    stop,
  };
}
