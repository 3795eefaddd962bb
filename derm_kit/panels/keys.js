// Single keys as shortcuts, unless they are switched off or somebody is typing. Each press is a message of its own, with
// the case that was on the screen then; which case that is, is said whenever it changes.
const TYPING = "input:not([type=checkbox]):not([type=radio]):not([type=range]):not([type=button]), textarea, select";

export default {
  render({ model, el }) {
    el.hidden = true;
    let shown = "";
    const show = () =>
      requestAnimationFrame(() => {
        shown = model.get("about");
        model.send({ shown });
      });
    const press = (event) => {
      if (!model.get("on") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (event.target.closest?.(TYPING) || !model.get("offered").includes(event.key)) return;
      if (!el.closest(".dk-page")) return;
      event.preventDefault();
      model.send({ key: event.key, case: shown });
    };
    model.on("change:about", show);
    document.addEventListener("keydown", press);
    show();
    return () => {
      model.off("change:about", show);
      document.removeEventListener("keydown", press);
    };
  },
};
