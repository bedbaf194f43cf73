// The lab's buttons, its link and its hints: all follow from settings and state.
import { copiedLink } from "./clipboard.js";
import { able, find, h } from "./dom.js";

const APPLIES = "The learning rate takes effect at once, all else at the next start.";

/**
 * What the first button says.
 * @type {Record<import("./lab.js").State, string>}
 */
const ACTION = {
  idle: "Train here",
  loading: "Starting …",
  training: "Pause",
  paused: "Resume",
  hidden: "Pause",
  done: "Train again",
  failed: "Try again",
  unable: "Train here",
};

/**
 * @param {string} name
 * @param {string} text
 * @param {() => void} act
 */
function button(name, text, act) {
  const made = h("button", { type: "button", name }, text);
  made.addEventListener("click", () => {
    if (made.getAttribute("aria-disabled") !== "true") act();
  });
  return made;
}

export class Bar {
  /** @param {import("./lab.js").Lab} lab whose controls and view are built */
  constructor(lab) {
    this.lab = lab;
    this.train = button("train", ACTION.idle, () => lab.pressTrain());
    this.reset = button("reset", "Reset", () => lab.reset());
    this.keep = button("keep", "Keep this run", () => lab.keep());
    this.restart = button("restart", "Restart now", () => lab.restart());
    this.link = copiedLink("Link to this run", { class: "link" });
    this.pending = h("span");
    const forget = button("forget", "Forget this", () => lab.forget());
    this.schedule = h("p", { class: "scheduled", hidden: true }, h("span"), " ", forget);
    this.train.classList.add("primary");
    lab.view.parts.nearest.addEventListener("click", () => lab.goNearest());
    this.link.hidden = lab.host.model !== null; // there its address is not the page's
    const settings = lab.controls.root;
    find(settings, ".bar").append(this.train, this.reset, this.keep, this.link);
    find(settings, ".pending").append(this.pending, " ", this.restart);
    find(settings, ".numbers").after(this.schedule);
  }

  refresh() {
    const { state, run, kept, isRunning } = this.lab;
    const focused = document.activeElement;
    const waits = state === "loading" || state === "hidden";
    this.train.textContent = ACTION[state];
    able(this.train, !waits && (isRunning || this.lab.obstacle() === ""));
    able(this.reset, run !== null);
    able(this.keep, Boolean(run?.isReady) && !kept.isFull);
    this.refreshLink();
    this.refreshPending();
    this.refreshNote();
    this.lab.experiment?.refresh();
    this.holdFocus(focused);
  }

  refreshLink() {
    const { run, controls, links, scheduled } = this.lab;
    this.link.href = links.write(run?.setting ?? { ...controls.read(), changes: scheduled });
    const changes = scheduled.map(({ lr, step }) => `to ${lr} at step ${step}`).join(", ");
    this.schedule.hidden = !changes;
    find(this.schedule, "span").textContent =
      `From the link: the learning rate changes ${changes}.`;
  }

  /** What the controls say, and what the run on show was started with. */
  refreshPending() {
    const { run, controls, isRunning, links } = this.lab;
    /** @param {Setting} setting */
    const waits = (setting) =>
      links.write({ ...setting, lr: isRunning ? 0 : setting.lr, changes: [] });
    const differs = run && waits(controls.read()) !== waits(run.setting);
    const obstacle = this.lab.obstacle();
    this.restart.hidden = !differs || !isRunning || obstacle !== "";
    let text = obstacle || APPLIES;
    if (!obstacle && run && differs) {
      const { lr, batch, seed } = run.setting;
      const shown = `learning rate ${lr}, batch size ${batch}, seed ${seed}`;
      text = isRunning
        ? "The changed settings apply at the next start."
        : `The curves belong to ${shown}. Train again with the new settings.`;
    }
    this.pending.textContent = text;
  }

  refreshNote() {
    const { bands, view, isRunning } = this.lab;
    const setting = this.lab.shownSetting();
    const { text, nearest } = bands.about(setting);
    view.parts.noteText.textContent = text;
    view.parts.nearest.hidden = !nearest || isRunning;
    view.parts.nearest.textContent = nearest ? `Go to ${nearest.words}` : "";
  }

  /**
   * A button that goes drops the keyboard's focus to the page, which Space then scrolls. `focused`
   * is asked for beforehand: Chromium forgets at once what had the focus when it goes.
   * @param {Element | null} focused
   */
  holdFocus(focused) {
    if (focused && this.lab.root.contains(focused) && !focused.checkVisibility()) {
      this.train.focus({ preventScroll: true });
    }
  }
}
