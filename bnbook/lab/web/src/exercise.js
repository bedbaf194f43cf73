// An exercise: a question that is answered where it stands, with hints, and an answer on request.
import { judgeChoice, judgeNumbers, unveil } from "./answers.js";
import { freshId, h, rich } from "./dom.js";
import { recall, record } from "./progress.js";
import { createTally, listen } from "./tally.js";

/**
 * What the reader answers with: its nodes, what is in it, and the verdict on that.
 * @typedef {object} Asked
 * @property {Node[]} nodes
 * @property {() => string[]} read
 * @property {(answer: string[]) => void} write
 * @property {() => import("./answers.js").Verdict} judge
 */

/**
 * @param {Field[]} fields
 * @param {string} salt
 * @returns {Asked}
 */
function askNumbers(fields, salt) {
  const inputs = fields.map(() =>
    h("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false" }),
  );
  const labels = fields.map(({ label, digits }, i) => {
    const asked = digits ? `${label} (${digits} significant digits)` : label;
    return h("label", { class: "field" }, h("span", {}, asked), inputs[i]);
  });
  const read = () => inputs.map(({ value }) => value);
  return {
    nodes: labels,
    read,
    write: (answer) => {
      for (const [i, input] of inputs.entries()) input.value = answer[i] ?? "";
    },
    judge: () => judgeNumbers(fields, read(), salt),
  };
}

/**
 * @param {string} legend
 * @param {Node[]} options
 * @param {{ key: string, replies: string[] }} task
 * @param {string} salt
 * @param {(picked: number) => void} changed
 * @returns {Asked}
 */
function askOne(legend, options, { key, replies }, salt, changed = () => {}) {
  const name = freshId();
  const inputs = options.map((_, i) => h("input", { type: "radio", name, value: i }));
  const labels = options.map((option, i) => h("label", {}, inputs[i], " ", option));
  const picked = () => inputs.findIndex(({ checked }) => checked);
  const group = h("fieldset", {}, h("legend", {}, legend), ...labels);
  group.onchange = () => changed(picked());
  return {
    nodes: [group],
    read: () => (picked() < 0 ? [] : [String(picked())]),
    write: ([answer]) => {
      for (const [i, input] of inputs.entries()) input.checked = answer === String(i);
      changed(picked());
    },
    judge: () => judgeChoice(key, replies, picked(), salt),
  };
}

/**
 * Code with a gap; what is picked is shown in its place.
 * @param {Extract<Task, { kind: "line" }>} task
 * @param {string} salt
 */
function askLine(task, salt) {
  const [before, after] = split(task.code);
  const gap = h("mark", {}, "...");
  const code = h("pre", { tabindex: 0 }, h("code", {}, before, gap, after));
  const options = task.options.map((line) => h("code", {}, line));
  const asked = askOne("What belongs in place of the dots?", options, task, salt, (picked) => {
    gap.textContent = task.options[picked] ?? "...";
  });
  return { ...asked, nodes: [code, ...asked.nodes] };
}

/** What stands before and after the first dots. @param {string} code */
function split(code) {
  const at = code.indexOf("...");
  return [code.slice(0, at), code.slice(at + 3)];
}

/**
 * @param {Exercise} data
 * @param {Host} host
 * @returns {Asked | null} null where code is asked for and can be written: in Jupyter
 */
function ask({ id, task }, host) {
  if (task.kind === "numbers") return askNumbers(task.fields, id);
  if (task.kind === "line") return host.site === null ? null : askLine(task, id);
  const options = task.options_html.map((html) => rich("span", html));
  return askOne("Choose one", options, task, id);
}

/** Hints that come one by one. @param {string[]} hints */
function createHints(hints) {
  const list = h("ol", { class: "hints", "aria-live": "polite", "aria-label": "Hints" });
  const button = h("button", { type: "button" });
  function show() {
    button.textContent = list.childElementCount ? "Another hint" : "Hint";
    button.hidden = list.childElementCount === hints.length;
  }
  button.onclick = () => {
    list.append(rich("li", hints[list.childElementCount]));
    show();
    // A button that goes would drop the keyboard's focus to the page.
    const next = /** @type {HTMLElement | null} */ (button.nextElementSibling);
    if (button.hidden) next?.focus({ preventScroll: true });
  };
  show();
  return { list, button };
}

/** The answer with its reason, behind a button. @param {string} veiled */
function createAnswer(veiled) {
  const text = h("div", { class: "answer", id: freshId(), hidden: true });
  const button = h("button", { type: "button", "aria-controls": text.id });
  /** @param {boolean} shown */
  function show(shown) {
    if (shown && !text.hasChildNodes()) text.append(rich("div", unveil(veiled)));
    text.hidden = !shown;
    button.setAttribute("aria-expanded", String(shown));
    button.textContent = shown ? "Hide the answer" : "Show the answer";
  }
  button.onclick = () => show(text.hidden === true);
  show(false);
  return { text, button, show };
}

/** @type {Mount<Exercise>} */
export function mountExercise(root, data, host) {
  const asked = ask(data, host);
  const hints = createHints(data.hints_html);
  const answer = createAnswer(data.answer);
  const title = rich("h3", `${data.number}. ${data.title_html}`, { id: `exercise-${data.id}` });
  const reply = h("p", { class: "reply", role: "status" });
  const check = h("button", { type: "submit", class: "check" }, "Check");
  const where = data.task.kind === "line" ? rich("p", data.task.where_html) : "";
  const form = h(
    "form",
    { novalidate: true },
    ...(asked
      ? [...asked.nodes, h("div", { class: "acts" }, check, hints.button, answer.button)]
      : [where, h("div", { class: "acts" }, hints.button, answer.button)]),
  );
  const body = [title, rich("div", data.text_html), form, reply, hints.list, answer.text];
  const tally = data.number === 1 ? createTally(data.siblings, data.chapter) : null;
  if (tally) root.append(tally.root);
  root.append(h("section", { "aria-labelledby": title.id }, ...body));

  /** @param {import("./answers.js").Verdict} verdict */
  function say({ state, html }) {
    root.dataset.state = state;
    reply.replaceChildren(rich("span", html));
  }

  form.onsubmit = (event) => {
    event.preventDefault();
    if (!asked) return;
    const verdict = asked.judge();
    say(verdict);
    if (verdict.state === "right") answer.show(true);
    if (verdict.state === "open") return;
    record(data.id, { solved: verdict.state === "right", answer: asked.read() });
  };

  let before = recall(data.id);

  /** Hear of what was recorded, here or elsewhere; a fresh start forgets what stands here. */
  function follow() {
    const answered = recall(data.id);
    root.toggleAttribute("data-solved", answered?.solved === true);
    const forgotten = before && !answered;
    before = answered;
    if (!forgotten || !asked) return;
    asked.write([]);
    answer.show(false);
    say({ state: "open", html: "" });
  }

  if (asked) {
    asked.write(before?.answer ?? []);
    say(before?.solved ? { state: "right", html: "Solved." } : { state: "open", html: "" });
  }
  follow();
  const stop = listen(follow);
  return () => {
    stop();
    tally?.stop();
  };
}
