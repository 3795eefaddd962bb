// A threshold: a native slider on a log scale beside a box for the exact number, both named by their label.
const STEPS = 1000;

// Four digits, never more than the value: rounded up, a guaranteed threshold would miss the case that it rests on.
function down(value) {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 3);
  return Number((Math.floor(value / unit + 1e-9) * unit).toPrecision(4));
}

export default {
  render({ model, el }) {
    el.classList.add("dk-slider");
    const low = Math.log10(model.get("min")), high = Math.log10(model.get("max"));
    const name = document.createElement("span"), slider = document.createElement("input");
    const box = document.createElement("input");
    name.textContent = model.get("label");
    name.className = "dk-slider-name";
    slider.type = "range";
    slider.min = 0;
    slider.max = STEPS;
    slider.setAttribute("aria-label", `${model.get("label")}, threshold`);
    box.type = "number";
    box.min = model.get("min");
    box.max = model.get("max");
    box.step = "any";
    box.setAttribute("aria-label", `${model.get("label")}, threshold as a number`);
    const worth = document.createElement("div");
    worth.className = "dk-slider-worth";
    el.append(name, slider, box, worth);

    const place = (value) => Math.round((STEPS * (Math.log10(value) - low)) / (high - low));
    const number = () => (model.get("never") ? "" : down(model.get("value")));
    let said = "", moves = 0;
    const show = () => {
      if (said !== model.get("worth")) worth.innerHTML = said = model.get("worth");
      const value = model.get("value");
      if (Number(slider.value) !== place(value)) slider.value = place(value);
      if (document.activeElement !== box) box.value = number();
      const read = model.get("never") ? "no threshold" : Number(value.toPrecision(3));
      slider.setAttribute("aria-valuetext", [read, model.get("says")].filter(Boolean).join(": "));
    };
    const send = (value) => {
      model.set("value", value);
      model.set("known", [model.get("round"), ++moves]);
      model.save_changes();
    };
    slider.addEventListener("input", () => send(10 ** (low + (slider.value / STEPS) * (high - low))));
    box.addEventListener("change", () => {
      const value = Number(box.value);
      if (box.value !== "" && value >= model.get("min") && value <= model.get("max")) send(value);
      else box.value = number();
    });
    model.on("change:value change:says change:worth change:never change:round", show);
    show();
    return () => model.off("change:value change:says change:worth change:never change:round", show);
  },
};
