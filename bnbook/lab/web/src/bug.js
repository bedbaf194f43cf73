// Find the bug: the reader points at the wrong line, then sees what it did and what catches it.
import { fingerprint, unveil } from "./answers.js";
import { draw, h, markerPath, rich } from "./dom.js";
import { recall, record } from "./progress.js";
import { createTally, listen } from "./tally.js";

const WIDTH = 300;
const HEIGHT = 130;
const LOOKS = [
  { label: "this code", color: "#d1495b", marker: "square", dash: "" },
  { label: "correct code", color: "#2b86c8", marker: "circle", dash: "5 4" },
];

/**
 * Training losses along the epochs, of the wrong code and of the correct one.
 * @param {number[][]} losses
 */
function curve(losses) {
  const most = Math.max(...losses.flat());
  const last = losses[0].length;
  const words = losses
    .map((one, i) => `${LOOKS[i].label}: ${one[0]} to ${one[last - 1]}`)
    .join("; ");
  const figure = h("figure", { class: "curve" });
  const label = `Training loss over ${last} epochs. ${words}`;
  const svg = draw(figure, "svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": label,
  });
  /** @param {number} epoch @param {number} loss */
  const at = (epoch, loss) => [30 + (170 * epoch) / (last - 1), 105 - (95 * loss) / most];
  draw(svg, "path", { d: `M30 8V105H205`, class: "axis", fill: "none" });
  draw(svg, "text", { x: 26, y: 14, "text-anchor": "end" }, most.toFixed(1));
  draw(svg, "text", { x: 26, y: 109, "text-anchor": "end" }, "0");
  draw(svg, "text", { x: 115, y: 124, "text-anchor": "middle" }, "epoch");
  losses.forEach((one, i) => {
    const { color, marker, dash } = LOOKS[i];
    const points = one.map((loss, epoch) => at(epoch, loss));
    const d = `M${points.map((point) => point.map((v) => v.toFixed(1)).join(" ")).join("L")}`;
    draw(svg, "path", {
      d,
      stroke: color,
      "stroke-width": 2,
      "stroke-dasharray": dash,
      fill: "none",
    });
    for (const [x, y] of points) draw(svg, "path", { d: markerPath(marker, x, y), fill: color });
    const y = 30 + 22 * i;
    draw(svg, "path", { d: markerPath(marker, 216, y - 4), fill: color });
    draw(svg, "text", { x: 225, y }, LOOKS[i].label);
  });
  figure.prepend(h("figcaption", {}, "Recorded training loss"));
  return figure;
}

/**
 * The listing, with a button for each line.
 * @param {string} code
 * @param {(line: number) => void} point
 */
function createListing(code, point) {
  const buttons = code.split("\n").map((line, i) => {
    if (!line.trim()) return null;
    const button = h("button", { type: "button", "aria-label": `Line ${i + 1}: ${line.trim()}` });
    const text = line.trimStart();
    const indent = line.slice(0, line.length - text.length);
    button.append(h("code", {}, indent), h("code", { class: "text" }, text));
    button.onclick = () => point(i);
    return button;
  });
  const items = buttons.map((button) => h("li", {}, ...(button ? [button] : [])));
  const list = h("ol", { class: "listing" }, ...items);
  list.onkeydown = (event) => {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way) return;
    const lines = buttons.filter((one) => one !== null);
    const here = lines.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    lines[here + way]?.focus();
    event.preventDefault();
  };
  /** @param {number} line @param {string} state */
  const mark = (line, state) => buttons[line]?.classList.add(state);
  return { list, mark };
}

/** @type {Mount<{ bugs: Bug[] }>} */
export function mountBug(root, { bugs }) {
  const ids = bugs.map(({ id }) => id);
  const tally = createTally(ids, "find-the-bug");
  const count = h("span", { class: "count", role: "status" });
  const previous = h("button", { type: "button" }, "Previous");
  const next = h("button", { type: "button" }, "Next");
  const hint = h("button", { type: "button" }, "Hint");
  const give = h("button", { type: "button" }, "Show the answer");
  const reply = h("p", { class: "reply", role: "status" });
  const after = h("div", { class: "answer" });
  const holder = h("div");
  const acts = h("div", { class: "acts" }, hint, give, previous, next);
  root.append(tally.root, count, holder, acts, reply, after);
  let at = Math.max(
    0,
    bugs.findIndex(({ id }) => !recall(id)?.solved),
  );
  let listing = createListing("", () => {});

  /** @param {string} words @param {string} state */
  function say(words, state) {
    root.dataset.state = state;
    reply.replaceChildren(h("span", {}, words));
  }

  /** @param {number} line */
  const wrong = (line) => bugs[at].keys.includes(fingerprint(bugs[at].id, line));

  /** @param {number} line */
  function point(line) {
    if (!wrong(line)) {
      listing.mark(line, "fine");
      say(`Line ${line + 1} is right. Look again.`, "wrong");
      return;
    }
    record(bugs[at].id, { solved: true, answer: [String(line)] });
    reveal(`Found: line ${line + 1}.`, "right");
  }

  /** @param {string} words @param {string} state */
  function reveal(words, state) {
    const { code, losses } = bugs[at];
    for (const line of code.split("\n").keys()) if (wrong(line)) listing.mark(line, "bug");
    say(words, state);
    after.replaceChildren(rich("div", unveil(bugs[at].after)));
    if (losses.length) after.append(curve(losses));
    for (const pre of after.querySelectorAll("pre")) pre.tabIndex = 0; // it may scroll
  }

  function show() {
    const { id, code } = bugs[at];
    count.textContent = `Listing ${at + 1} of ${bugs.length}. One step is wrong: point at it.`;
    listing = createListing(code, point);
    holder.replaceChildren(listing.list);
    say("", "open");
    after.replaceChildren();
    if (recall(id)?.solved) reveal("Found.", "right");
  }

  /** @param {number} step */
  function go(step) {
    at = (at + step + bugs.length) % bugs.length;
    show();
  }

  hint.onclick = () => say(bugs[at].hint, "open");
  give.onclick = () => reveal("This is it.", "open");
  previous.onclick = () => go(-1);
  next.onclick = () => go(1);
  show();
  const stop = listen(() => {
    if (root.dataset.state === "right" && !recall(bugs[at].id)) show();
  });
  return () => {
    stop();
    tally.stop();
  };
}
