// A slider in Jupyter: a native range input, as on the page, that announces the value it stands for.

let made = 0;

function render({ model, el }) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const output = document.createElement("output");
  const texts = model.get("texts");
  made += 1;
  input.id = `bn-slider-${made}`;
  Object.assign(input, { type: "range", min: 0, max: texts.length - 1, step: 1 });
  label.htmlFor = input.id;
  output.htmlFor = input.id;
  label.textContent = model.get("description");

  const show = () => {
    const index = model.get("index");
    input.value = index;
    input.setAttribute("aria-valuetext", texts[index]);
    output.textContent = texts[index];
  };
  input.addEventListener("input", () => {
    model.set("index", Number(input.value));
    model.save_changes();
  });
  model.on("change:index", show);
  show();
  // JupyterLab would take the keys that move a slider for its own.
  input.addEventListener("keydown", (event) => event.stopPropagation());
  el.classList.add("bn-slider");
  el.append(label, input, output);
  return () => model.off("change:index", show);
}

export default { render };
