// Single keys as shortcuts, unless they are switched off or somebody is typing.
const TYPING = "input:not([type=checkbox]):not([type=radio]):not([type=range]):not([type=button]), textarea, select";

export default {
  render({ model, el }) {
    el.hidden = true;
    let presses = 0;
    const press = (event) => {
      if (!model.get("on") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (event.target.closest?.(TYPING) || !model.get("offered").includes(event.key)) return;
      if (!el.closest(".dk-page")) return;
      event.preventDefault();
      model.set("pressed", [event.key, String(++presses)]);
      model.save_changes();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  },
};
