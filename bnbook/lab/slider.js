// A slider in Jupyter: a native range input, as on the page, that announces the value it stands for.

function render({ model, el }) {
  const label = document.createElement("label");
  const name = document.createElement("span");
  const input = document.createElement("input");
  const output = document.createElement("output");
  const texts = model.get("texts");
  Object.assign(input, { type: "range", min: 0, max: texts.length - 1, step: 1 });
  name.textContent = model.get("description");
  label.append(name, input); // by being there: an id would have to be one of its own

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
  el.append(label, output);
  return () => model.off("change:index", show);
}

export default { render };
