// A number: a native slider beside a box for the exact number, both named by their label; one message for each move.
export default {
  render({ model, el }) {
    el.classList.add("dk-slider");
    const name = document.createElement("span"), slider = document.createElement("input");
    const box = document.createElement("input"), worth = document.createElement("div");
    name.className = "dk-slider-name";
    worth.className = "dk-slider-worth";
    worth.setAttribute("aria-live", "polite");
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
        input.max = model.get(input === box ? "most" : "max");
        input.step = model.get("step");
      }
      if (document.activeElement !== slider || !timer) slider.value = model.get("value");
      if (document.activeElement !== box) box.value = model.get("value");
      slider.setAttribute("aria-valuetext", `${model.get("value")} ${unit}`.trim());
      say([unit, model.get("says")].filter(Boolean).join("; "));
    };
    const say = (words) => {
      if (worth.textContent !== words) worth.textContent = words;
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
      if (box.value !== "" && value >= model.get("min") && value <= model.get("most")) return send(value);
      const given = box.value === "" ? "Nothing" : box.value;
      say(`${given} was not taken: a number from ${model.get("min")} to ${model.get("most")}, ${model.get("unit")}.`);
      box.value = model.get("value");
    });
    const watched = "change:label change:unit change:min change:max change:most change:step change:value change:says";
    model.on(watched, show);
    show();
    return () => model.off(watched, show);
  },
};
