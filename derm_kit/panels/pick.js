// A press on a button with data-case, anywhere on this widget's page, chooses that case.
export default {
  render({ model, el }) {
    el.hidden = true;
    const pick = (event) => {
      const button = event.target.closest("button[data-case]");
      if (!button || button.closest(".dk-page") !== el.closest(".dk-page")) return;
      model.set("chosen", button.dataset.case);
      model.save_changes();
    };
    document.addEventListener("click", pick);
    return () => document.removeEventListener("click", pick);
  },
};
