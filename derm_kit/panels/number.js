// A number: a native slider beside a box for the exact number, both named by their label; one message for each move.
export default {
  render({ model, el }) {
    el.classList.add("dk-slider");
    const name = document.createElement("span"), slider = document.createElement("input");
    const box = document.createElement("input"), worth = document.createElement("div");
    name.className = "dk-slider-name";
    worth.className = "dk-slider-worth";
    slider.type = "range";
    box.type = "number";
    el.append(name, slider, box, worth);
    let timer = 0;
    const show = () => {
      const label = model.get("label"), unit = model.get("unit");
      name.textContent = label;
      slider.setAttribute("aria-label", unit ? `${label}, ${unit}` : label);
      box.setAttribute("aria-label", `${slider.getAttribute("aria-label")}, as a number`);
      for (const input of [slider, box]) {
        input.min = model.get("min");
        input.max = model.get("max");
        input.step = model.get("step");
      }
      if (document.activeElement !== slider || !timer) slider.value = model.get("value");
      if (document.activeElement !== box) box.value = model.get("value");
      slider.setAttribute("aria-valuetext", `${model.get("value")} ${unit}`.trim());
      worth.textContent = [unit, model.get("says")].filter(Boolean).join("; ");
    };
    const send = (value) => {
      model.set("value", value);
      model.save_changes();
    };
    slider.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        timer = 0;
        send(Number(slider.value));
      }, 60);
    });
    box.addEventListener("change", () => {
      const value = Number(box.value);
      if (box.value !== "" && value >= model.get("min") && value <= model.get("max")) send(value);
      else box.value = model.get("value");
    });
    const watched = "change:label change:unit change:min change:max change:step change:value change:says";
    model.on(watched, show);
    show();
    return () => model.off(watched, show);
  },
};
