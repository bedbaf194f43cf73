// One run as far as it has come, from what the worker reports.
import { createLosses } from "./plots.js";
import { happened } from "./story.js";

export const LETTERS = "AB";
const MOST_POINTS = 120; // of a loss curve

export function createRun(setting, nameOf, looks) {
  return {
    setting: { ...setting, changes: [] },
    step: 0,
    total: 0, // of steps; 0 until the worker is ready
    perEpoch: 0,
    images: 0, // that validate
    speed: 0, // images per second
    over: false,
    nets: setting.nets.map((net, i) => ({
      net,
      name: nameOf(net),
      label: LETTERS[i],
      look: looks[i],
      evaluations: [],
      losses: null,
      sum: 0, // of the losses since the last evaluation
      count: 0,
      probe: null,
      failedAt: 0,
      hash: "",
      told: "",
    })),
  };
}

export function makeReady(run, { perEpoch, total, images }) {
  Object.assign(run, { perEpoch, total, images });
  for (const one of run.nets) one.losses = createLosses(total, MOST_POINTS, perEpoch);
}

export function takeReport(run, report) {
  Object.assign(run, { step: report.step, speed: report.speed });
  report.changes.forEach((change) => noteChange(run.setting.changes, change));
  report.nets.forEach(({ alive, losses }, i) => {
    const one = run.nets[i];
    for (const loss of losses) {
      one.losses.push(loss);
      one.sum += loss;
      one.count += 1;
      one.lastLoss = loss;
    }
    if (!alive && !one.failedAt) one.failedAt = report.step;
  });
  for (const found of report.evaluations) {
    const one = run.nets[found.net];
    one.evaluations.push({ ...found, trainLoss: one.count ? one.sum / one.count : NaN });
    Object.assign(one, { probe: found.probe, sum: 0, count: 0 });
  }
}

// While a run is paused its rate may change more than once at the same step: the last counts.
function noteChange(changes, change) {
  if (changes.length && changes[changes.length - 1].step === change.step) changes.pop();
  changes.push({ step: change.step, lr: change.lr });
}

export function storyOf(run, one) {
  const recentLoss = one.losses ? one.losses.recent() : NaN;
  return happened({ ...one, recentLoss }, run.images, run.over);
}

// A curve for a chart, over epochs.
export function curveOf(run, one, which) {
  const points = which === "accuracy"
    ? one.evaluations.map((each) => [each.step / run.perEpoch, each.correct / run.images])
    : one.losses.points().map(([step, loss]) => [step / run.perEpoch, loss]);
  return { look: one.look, label: one.label, broken: one.failedAt > 0, markers: which === "accuracy", points };
}
