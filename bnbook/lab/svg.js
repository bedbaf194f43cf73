// What the labs' pictures share: nodes, markers, swatches, labels that keep apart.
// No dollar sign and no backtick in the scripts: Markdown and math processors read the page too.
const SVG = "http://www.w3.org/2000/svg";

export function add(parent, tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

export function addHtml(parent, tag, text, attributes) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.textContent = text;
  parent.append(node);
  return node;
}

export function percent(value) {
  return (100 * value).toFixed(1) + " %";
}

// With commas: the first toLocaleString of a page takes longer than all the drawing.
export function thousands(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

export function markerPath(kind, x, y) {
  const s = 3.4;
  const at = (dx, dy) => (x + dx).toFixed(1) + " " + (y + dy).toFixed(1);
  if (kind === "square") return "M" + at(-s, -s) + "h" + 2 * s + "v" + 2 * s + "h" + -2 * s + "Z";
  if (kind === "triangle") return "M" + at(0, -s - 1) + "L" + at(s + 1, s) + "L" + at(-s - 1, s) + "Z";
  if (kind === "diamond") return "M" + at(0, -s - 1) + "L" + at(s + 1, 0) + "L" + at(0, s + 1) + "L" + at(-s - 1, 0) + "Z";
  return "M" + at(-s, 0) + "a" + s + " " + s + " 0 1 0 " + 2 * s + " 0a" + s + " " + s + " 0 1 0 " + -2 * s + " 0Z";
}

// The short piece of line that stands for a curve in words about it.
export function drawSwatch(svg, look) {
  add(svg, "path", { d: "M0 8H40", stroke: look.colour, "stroke-width": 2.4, "stroke-dasharray": look.dash });
  add(svg, "path", { d: markerPath(look.marker, 20, 8), fill: look.colour });
}

export function addSwatch(parent, look) {
  const svg = add(parent, "svg", { class: "swatch", width: 40, height: 16, "aria-hidden": "true" });
  drawSwatch(svg, look);
}

// Direct labels beside the curves' ends, pushed apart where they would overlap.
export function drawLabels(svg, ends, left, top, bottom) {
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, i) => { end.y = Math.max(end.y, i ? ends[i - 1].y + 15 : top + 4); });
  for (let i = ends.length - 1; i >= 0; i--) {
    ends[i].y = Math.min(ends[i].y, i === ends.length - 1 ? bottom : ends[i + 1].y - 15);
  }
  for (const end of ends) {
    add(svg, "text", { x: left, y: end.y + 4, class: "label" }, end.text);
  }
}
