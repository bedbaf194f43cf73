// Remembers the reader's pick under its question's id; later sets it beside the evidence.
import { find, freshId, h, rich, spoken } from "./dom.js";
import { keep, kept } from "./memory.js";

const CHANGED = "bnbook:predict";

/** @typedef {{ value: string, html: string }} Choice */

/** @param {string} id */
const key = (id) => `predict:${id}`;

/** @type {Mount<{ id: string, question_html: string, choices: Choice[] }>} */
export function mountPredict(root, data) {
  const group = freshId();
  const options = data.choices.map(({ value, html }) =>
    h("label", {}, h("input", { type: "radio", name: group, value }), " ", rich("span", html)),
  );
  const reply = spoken("p", "reply");
  const question = h("legend", {}, h("span", { class: "kicker" }, "Predict"), " ");
  question.append(rich("span", data.question_html));
  root.append(h("fieldset", { id: `predict-${data.id}` }, question, ...options), reply);

  function show() {
    const pick = kept(key(data.id));
    const chosen = options.find((label) => find(label, "input").getAttribute("value") === pick);
    if (!chosen) return;
    /** @type {HTMLInputElement} */ (find(chosen, "input")).checked = true;
    reply.textContent = "Noted. The end of the chapter comes back to it.";
  }

  root.addEventListener("change", (event) => {
    keep(key(data.id), /** @type {HTMLInputElement} */ (event.target).value);
    document.dispatchEvent(new CustomEvent(CHANGED));
    show();
  });
  show();
  return () => {};
}

/** @type {Mount<{ id: string, answer: string, answer_html: string, why_html: string }>} */
export function mountRevisit(root, data) {
  const first = h("a", { href: `#predict-${data.id}` }, "Predict first");
  const text = spoken("span", "text");
  text.append("What did you expect? ", first, ", then open the evidence.");
  const evidence = h(
    "details",
    {},
    h("summary", {}, "The evidence says"),
    h("div", {}, h("p", {}, rich("strong", data.answer_html)), rich("div", data.why_html)),
  );
  root.append(
    h("p", { class: "reply" }, h("span", { class: "kicker" }, "Your prediction"), " ", text),
    evidence,
  );

  function show() {
    const pick = kept(key(data.id));
    if (pick === null) return;
    const chosen = document.querySelector(
      `#predict-${CSS.escape(data.id)} input[value=${CSS.escape(pick)}] ~ span`,
    );
    const words = chosen ? rich("strong", chosen.innerHTML) : h("strong", {}, pick);
    const verdict = pick === data.answer ? "agrees" : "says otherwise";
    const stop = words.textContent?.endsWith(".") ? "" : ".";
    text.replaceChildren("You predicted: ", words, `${stop} The evidence ${verdict}.`);
    evidence.open = true;
  }

  document.addEventListener(CHANGED, show);
  show();
  return () => document.removeEventListener(CHANGED, show);
}
