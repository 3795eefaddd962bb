// Keeps what a page shows in its address, after the #, and gives it back when the address is opened or edited.
export default {
  render({ model, el }) {
    el.hidden = true;
    const open = () => {
      const given = window.location.hash.slice(1);
      if (!given || given === model.get("state")) return;
      model.set("opened_with", given);
      model.save_changes();
    };
    const write = () => {
      const state = model.get("state");
      window.history.replaceState(null, "", state ? `#${state}` : window.location.pathname + window.location.search);
    };
    model.on("change:state", write);
    window.addEventListener("hashchange", open);
    open();
    return () => {
      model.off("change:state", write);
      window.removeEventListener("hashchange", open);
    };
  },
};
