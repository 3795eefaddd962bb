// Keeps what a page shows in its address, after the #, and gives it back when the address is opened again.
export default {
  render({ model, el }) {
    el.hidden = true;
    const given = decodeURIComponent(window.location.hash.slice(1));
    if (given) {
      model.set("opened_with", given);
      model.save_changes();
    }
    model.on("change:state", () => {
      const state = model.get("state");
      window.history.replaceState(null, "", state ? `#${encodeURIComponent(state)}` : window.location.pathname);
    });
  },
};
