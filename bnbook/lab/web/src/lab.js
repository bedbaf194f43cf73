// The lab that trains in the reader's browser: its settings, its run, and the buttons.
import { createBands } from "./bands.js";
import { createKept } from "./kept.js";
import { readLink, writeLink } from "./permalink.js";
import { LETTERS, createRun, makeReady, storyOf, takeReport } from "./run.js";
import { createSettings } from "./settings.js";
import { whyStuck } from "./story.js";
import { drawSwatch } from "./svg.js";
import { canTrain, createTrainer } from "./trainer.js";
import { createView } from "./view.js";

const REST = 250; // ms: a dragged slider changes the rate of a run once, where it rests
const SHOWN_FOR = 2500; // ms, for a word that takes another's place
const SMALL_BATCH = 32;
const BUTTON = { loading: "Starting …", training: "Pause", paused: "Resume", hidden: "Pause", done: "Train again", failed: "Try again" };

function start(root) {
  const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const find = (selector) => root.querySelector(selector);
  const button = (name) => find("button[name=" + name + "]");
  let run = null;
  let state = "idle"; // loading, training, paused, hidden, done, failed
  let scheduled = []; // changes of the learning rate that a link asks for
  let resting = 0;

  const settings = createSettings(root, data, settingChanged);
  const bands = createBands(data.bands);
  const kept = createKept(find(".kept"), data, keptChanged);
  const trainer = createTrainer(root, data, hear);
  const view = createView(root, data, { settings, bands, kept }, () => ({ run, state, setting: bandSetting() }));
  const running = () => ["loading", "training", "paused", "hidden"].includes(state);
  const linkOf = (setting) => writeLink(data.preset, setting);

  // The run

  function begin() {
    const setting = settings.read();
    run = createRun(setting, settings.name, data.looks);
    setState("loading");
    trainer.start({ ...setting, changes: scheduled });
    scheduled = [];
    refresh();
    view.draw();
    view.announce("Training starts.");
  }

  function hear(message) {
    if (message.type === "ready") {
      makeReady(run, message);
      if (state === "loading") setState("training");
      if (settings.read().lr !== run.setting.lr) trainer.setRate(settings.read().lr);
    } else if (message.type === "progress") {
      advance(message);
    } else if (message.type === "done") {
      finish(message.hashes);
    } else if (message.type === "error") {
      setState("failed");
      find(".status").textContent = "The lab stopped: " + message.text + ". The recorded runs below need no training.";
    } else {
      setState(message.type === "hidden" ? "hidden" : "training");
      view.draw();
    }
  }

  function advance(report) {
    takeReport(run, report);
    for (const change of report.changes) {
      if (change.linked) settings.write({ lr: change.lr }); // else the reader's hand is on it
      view.announce("The learning rate is " + change.lr + " from step " + change.step + " on.");
    }
    if (report.changes.length) refresh();
    // Where the reader wants no motion, only evaluations are worth a new picture.
    if (report.evaluations.length || !view.calm.matches) view.drawSoon();
  }

  function finish(hashes) {
    run.nets.forEach((one, i) => { one.hash = hashes[i]; });
    run.over = true;
    setState("done");
    view.draw();
    view.announce("Training is over. " + run.nets.map((one) => one.label + ", " + one.name + ": " + storyOf(run, one).text + ".").join(" "));
  }

  // The controls

  // What speaks against training with these settings, in words.
  function obstacle() {
    const reasons = settings.read().nets.map(whyStuck);
    const stuck = reasons.findIndex(Boolean);
    return stuck < 0 ? "" : "Net " + LETTERS[stuck] + " would learn nothing: " + reasons[stuck] + ".";
  }

  function settingChanged(what) {
    if (what === "lr" && (state === "training" || state === "paused")) {
      clearTimeout(resting);
      resting = setTimeout(() => trainer.setRate(settings.read().lr), REST);
    }
    view.draw();
    refresh();
    if (obstacle()) view.announce(obstacle());
  }

  // A button that is disabled or gone would drop the keyboard's focus to the page, which Space then
  // scrolls: buttons only say that they are disabled, and of those that go another takes the focus.
  function able(name, yes) {
    button(name).setAttribute("aria-disabled", String(!yes));
  }

  function press(name, act) {
    button(name).addEventListener("click", () => {
      if (button(name).getAttribute("aria-disabled") !== "true") act();
    });
  }

  // Asked for beforehand: Chromium forgets at once what had the focus when it goes.
  function holdFocus(focused) {
    if (root.contains(focused) && !focused.checkVisibility()) button("train").focus({ preventScroll: true });
  }

  function setState(name) {
    state = root.dataset.state = name;
    refresh();
  }

  function pressTrain() {
    if (state !== "training" && state !== "paused") {
      begin();
      return;
    }
    trainer.pause(state === "training");
    setState(state === "training" ? "paused" : "training");
    view.announce(state === "paused" ? "Paused." : "Training goes on.");
  }

  function reset() {
    clearTimeout(resting);
    trainer.stop();
    run = null;
    find("progress").value = 0;
    find(".status").textContent = "";
    setState("idle");
    view.draw();
    view.announce("Reset.");
  }

  function keep() {
    kept.add(run, linkOf(run.setting));
    view.draw();
    refresh();
    view.announce("Kept as run " + kept.last() + ".");
  }

  function keptChanged() {
    view.draw();
    refresh();
    button("keep").focus({ preventScroll: true }); // the button that was pressed is gone
  }

  // Buttons and hints, which follow from settings and state.
  function refresh() {
    const focused = document.activeElement;
    button("train").textContent = BUTTON[state] || "Train here";
    able("train", state !== "loading" && state !== "hidden" && (running() || obstacle() === ""));
    able("reset", run !== null);
    able("keep", run !== null && run.total > 0 && !kept.full());
    find("a.link").href = linkOf(run ? run.setting : { ...settings.read(), changes: scheduled });
    find(".scheduled").hidden = !scheduled.length;
    find(".scheduled span").textContent = "From the link: the learning rate changes " + scheduled.map((one) => "to " + one.lr + " at step " + one.step).join(", ") + ".";
    refreshPending();
    refreshBand();
    holdFocus(focused);
  }

  // What the controls say, and what the run on show was started with.
  function refreshPending() {
    const waits = (setting) => linkOf({ ...setting, lr: running() ? 0 : setting.lr, changes: [] });
    const differs = run && waits(settings.read()) !== waits(run.setting);
    button("restart").hidden = !differs || !running() || obstacle() !== "";
    let text = "The learning rate applies at once, all else at the next start.";
    if (obstacle()) text = obstacle();
    else if (differs && running()) text = "The changed settings apply at the next start.";
    else if (differs) text = "The curves belong to learning rate " + run.setting.lr + ", batch size " + run.setting.batch + ", seed " + run.setting.seed + ". Train again with the new settings.";
    find(".pending span").textContent = text;
  }

  // The setting whose recorded runs are shown: the run's while it goes on, else the controls'.
  function bandSetting() {
    return running() ? run.setting : settings.read();
  }

  function refreshBand() {
    const { text, nearest } = bands.about(bandSetting(), LETTERS);
    find(".band-note span").textContent = text;
    button("nearest").hidden = !nearest || running();
    button("nearest").textContent = nearest ? "Go to " + nearest.words : "";
    button("nearest").onclick = () => { settings.write(nearest); settingChanged("other"); };
  }

  // Links

  function open(hash) {
    const linked = readLink(hash, data.preset, data);
    if (!linked) return false;
    if (linked.error) {
      find(".status").textContent = "The link to this lab is damaged (" + linked.error + "); these are the usual settings.";
    } else {
      settings.write(linked);
      scheduled = linked.changes;
      find(".status").textContent = "The settings are those of the link.";
    }
    refresh();
    view.draw();
    root.scrollIntoView();
    return true;
  }

  // The browser itself puts the link into the address bar; a copy is a courtesy.
  async function copyLink() {
    const link = find("a.link");
    try {
      await navigator.clipboard.writeText(link.href);
      link.textContent = "Link copied";
    } catch {
      link.textContent = "Link in the address bar";
    }
    setTimeout(() => { link.textContent = "Link to this run"; }, SHOWN_FOR);
  }

  function followLink() {
    const own = location.hash === find("a.link").hash;
    if (own || running() || !root.isConnected || !readLink(location.hash, data.preset, data)) return;
    reset();
    open(location.hash);
  }

  function beginSmallOnWeakDevices() {
    const weak = navigator.deviceMemory <= 2 || (navigator.hardwareConcurrency <= 2 && matchMedia("(pointer: coarse)").matches);
    if (!weak || settings.read().batch <= SMALL_BATCH) return;
    settings.write({ batch: SMALL_BATCH });
    find(".status").textContent = "The batch size starts at " + SMALL_BATCH + ", for a small device.";
  }

  root.dataset.ready = "";
  root.querySelectorAll(".net .swatch").forEach((svg, i) => drawSwatch(svg, data.looks[i]));
  press("train", pressTrain);
  press("reset", reset);
  press("restart", () => { reset(); begin(); });
  press("keep", keep);
  press("forget", () => { scheduled = []; refresh(); });
  find("a.link").addEventListener("click", copyLink);
  if (canTrain(data.wasm)) {
    setState("idle");
    if (!open(location.hash)) beginSmallOnWeakDevices();
    addEventListener("hashchange", followLink);
  } else {
    setState("unable");
    find(".settings").disabled = true;
    find(".unable").hidden = false;
  }
  refresh();
  view.draw();
}

// An output can be shown twice, as in JupyterLab's "New View for Output": then so is its id.
document.querySelectorAll("#ROOT_ID:not([data-ready])").forEach(start);
