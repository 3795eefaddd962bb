// A place to drop one file on, with a button that opens the file chooser or, on a phone, the camera.
export default {
  render({ model, el }) {
    el.classList.add("dk-drop");
    const words = document.createElement("p");
    words.textContent = model.get("words");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "jupyter-button";
    button.textContent = model.get("label");
    const input = document.createElement("input");
    input.type = "file";
    input.accept = model.get("accept");
    input.hidden = true;
    el.append(words, button, input);

    async function give(file) {
      if (!file) return;
      const fits = file.size <= model.get("largest");
      el.classList.add("dk-busy");
      try {
        model.set("content", fits ? new DataView(await file.arrayBuffer()) : new DataView(new ArrayBuffer(0)));
        model.set("size", file.size);
        model.set("given", model.get("given") + 1);
        model.save_changes();
      } finally {
        el.classList.remove("dk-busy");
      }
    }
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      give(input.files[0]);
      input.value = "";
    });
    for (const over of ["dragenter", "dragover"])
      el.addEventListener(over, (event) => {
        event.preventDefault();
        el.classList.add("dk-over");
      });
    el.addEventListener("dragleave", (event) => {
      if (!el.contains(event.relatedTarget)) el.classList.remove("dk-over");
    });
    el.addEventListener("drop", (event) => {
      event.preventDefault();
      el.classList.remove("dk-over");
      give(event.dataTransfer.files[0]);
    });
  },
};
