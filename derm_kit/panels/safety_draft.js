// What is written in a form and not yet stored: kept by this browser for this tab, and given back when the page is
// opened again. Closing the tab forgets it.
export default {
  render({ model, el }) {
    el.hidden = true;
    const key = model.get("key");
    const keep = () => {
      const text = model.get("text");
      if (text) sessionStorage.setItem(key, text);
      else sessionStorage.removeItem(key);
    };
    model.on("change:text", keep);
    const kept = sessionStorage.getItem(key);
    if (kept && !model.get("text")) {
      model.set("found", kept);
      model.save_changes();
    }
    return () => model.off("change:text", keep);
  },
};
