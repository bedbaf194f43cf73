// Remembers the reader's pick under its question's id; later sets it beside the evidence.
const PREFIX = "bnbook:predict:";

function remembered(id) {
  const picks = (window.bnbookPicks = window.bnbookPicks || {});
  // Reading storage throws where the browser forbids it; the page's own memory then has to do.
  try { return localStorage.getItem(PREFIX + id) || picks[id] || null; } catch { return picks[id] || null; }
}

function remember(id, pick) {
  (window.bnbookPicks = window.bnbookPicks || {})[id] = pick;
  try { localStorage.setItem(PREFIX + id, pick); } catch { /* kept for this page only */ }
  document.dispatchEvent(new CustomEvent("bnbook:predict", { detail: id }));
}

function startPredict(root, data) {
  const inputs = [...root.querySelectorAll("input")];
  const reply = root.querySelector(".reply");
  const label = (choice) => inputs.find((one) => one.value === choice).parentNode.querySelector("span").textContent;

  function show() {
    const pick = remembered(data.id);
    const input = inputs.find((one) => one.value === pick);
    if (!input) return;
    input.checked = true;
    if (data.answer === null) reply.textContent = "Noted. The end of the chapter comes back to it.";
    else if (pick === data.answer) reply.textContent = "The evidence agrees.";
    else reply.textContent = "The evidence says otherwise: " + label(data.answer);
  }

  root.addEventListener("change", (event) => { remember(data.id, event.target.value); show(); });
  show();
}

function startRevisit(root, data) {
  function show() {
    const pick = remembered(data.id);
    if (pick === null) return;
    const inputs = [...document.querySelectorAll("#predict-" + CSS.escape(data.id) + " input")];
    const chosen = inputs.find((one) => one.value === pick);
    const words = document.createElement("strong");
    // The choice may hold a formula: then its markup is taken from the question above.
    if (chosen) words.append(...chosen.parentNode.querySelector("span").cloneNode(true).childNodes);
    else words.textContent = pick;
    const verdict = pick === data.answer ? ". The evidence agrees." : ". The evidence says otherwise.";
    root.querySelector(".text").replaceChildren("You predicted: ", words, verdict);
    root.querySelector("details").open = true;
  }

  document.addEventListener("bnbook:predict", show);
  show();
}

document.querySelectorAll("#ROOT_ID:not([data-ready])").forEach((root) => {
  const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  root.dataset.ready = "";
  (data.kind === "predict" ? startPredict : startRevisit)(root, data);
});
