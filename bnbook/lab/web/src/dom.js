// The only makers of nodes, and marks that several pictures share.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, string | number | boolean | null | undefined>} Attributes */

/**
 * Set attributes; true makes one without a value, false, null and undefined none.
 * @param {Element} node
 * @param {Attributes} attributes
 */
function dress(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, String(value));
  }
}

/**
 * Make an HTML element: h("p", { class: "soft" }, "Words ", node).
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  dress(node, attributes);
  node.append(...children);
  return node;
}

/**
 * Make an element of a picture and append it to `parent`.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Element} parent
 * @param {Tag} tag
 * @param {Attributes} attributes
 * @param {string} [text]
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function draw(parent, tag, attributes, text = "") {
  const node = document.createElementNS(SVG, tag);
  dress(node, attributes);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}

/**
 * Make an element of what Python made from Markdown.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} html
 * @param {Attributes} [attributes]
 */
export function rich(tag, html, attributes = {}) {
  const node = h(tag, attributes);
  node.innerHTML = html;
  return node;
}

/**
 * The element that a selector names; one that is not there is a mistake of ours.
 * @template {Element} [Found=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 */
export function find(root, selector) {
  const found = root.querySelector(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return /** @type {Found} */ (/** @type {unknown} */ (found));
}

/**
 * An element whose words screen readers say when they change.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} name
 */
export function spoken(tag, name) {
  return h(tag, { class: name, role: "status", "aria-live": "polite" });
}

/**
 * A button that is disabled would drop the keyboard's focus: these only say that they are.
 * @param {Element} button
 * @param {boolean} yes
 */
export function able(button, yes) {
  button.setAttribute("aria-disabled", String(!yes));
}

/**
 * Width and height of a picture, in px; one that is not on show has those of a usual one.
 * @param {Element} svg
 * @returns {[number, number]}
 */
export const sizeOf = (svg) => [svg.clientWidth || 480, svg.clientHeight || 260];

/**
 * Hand the reader a text as a file.
 * @param {string} name
 * @param {string} text
 * @param {string} type
 */
export function saveAs(name, text, type) {
  const href = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

let ids = 0;

/** An id that no other element of the page has. */
export function freshId() {
  ids += 1;
  return `bn-id-${ids}`;
}

/**
 * The outline of a marker around a point.
 * @param {string} kind
 * @param {number} x
 * @param {number} y
 */
export function markerPath(kind, x, y) {
  const s = 3.4;
  /** @param {number} dx @param {number} dy */
  const at = (dx, dy) => `${(x + dx).toFixed(1)} ${(y + dy).toFixed(1)}`;
  if (kind === "square") return `M${at(-s, -s)}h${2 * s}v${2 * s}h${-2 * s}Z`;
  if (kind === "triangle") return `M${at(0, -s - 1)}L${at(s + 1, s)}L${at(-s - 1, s)}Z`;
  if (kind === "diamond") {
    return `M${at(0, -s - 1)}L${at(s + 1, 0)}L${at(0, s + 1)}L${at(-s - 1, 0)}Z`;
  }
  return `M${at(-s, 0)}a${s} ${s} 0 1 0 ${2 * s} 0a${s} ${s} 0 1 0 ${-2 * s} 0Z`;
}

/**
 * The short piece of line that stands for a curve in words about it.
 * @param {Look} look
 */
export function swatch(look) {
  const picture = document.createElementNS(SVG, "svg");
  dress(picture, { class: "swatch", width: 40, height: 16, "aria-hidden": "true" });
  draw(picture, "path", {
    d: "M0 8H40",
    stroke: look.color,
    "stroke-width": 2.4,
    "stroke-dasharray": look.dash,
  });
  draw(picture, "path", { d: markerPath(look.marker, 20, 8), fill: look.color });
  return picture;
}

/**
 * Labels beside the ends of curves, pushed apart where they would overlap.
 * @param {Element} svg
 * @param {{ text: string, y: number }[]} ends
 * @param {number} left
 * @param {number} top
 * @param {number} bottom
 */
export function drawLabels(svg, ends, left, top, bottom) {
  const room = 15; // px between two lines of text
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, i) => {
    end.y = Math.max(end.y, i ? ends[i - 1].y + room : top + 4);
  });
  for (let i = ends.length - 1; i >= 0; i--) {
    ends[i].y = Math.min(ends[i].y, i === ends.length - 1 ? bottom : ends[i + 1].y - room);
  }
  for (const end of ends) draw(svg, "text", { x: left, y: end.y + 4, class: "label" }, end.text);
}
