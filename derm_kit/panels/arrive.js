// Says that the page is on somebody's screen: it may have been made ready long before.
export default {
  render({ model, el }) {
    el.hidden = true;
    model.set("times", model.get("times") + 1);
    model.save_changes();
  },
};
