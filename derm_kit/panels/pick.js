// A press on a button with data-case, anywhere on this widget's page, chooses that case; every such button says so.
export default {
  render({ model, el }) {
    el.hidden = true;
    const ours = (node) => node.closest(".dk-page") === el.closest(".dk-page");
    const pick = (event) => {
      const button = event.target.closest("button[data-case]");
      if (!button || !ours(button)) return;
      model.set("chosen", button.dataset.case);
      model.save_changes();
    };
    const mark = () => {
      for (const button of document.querySelectorAll("button[data-case]"))
        if (ours(button)) {
          const chosen = button.dataset.case === model.get("chosen");
          if (chosen === button.hasAttribute("aria-current")) continue;
          if (chosen) button.setAttribute("aria-current", "true");
          else button.removeAttribute("aria-current");
        }
    };
    const seen = new MutationObserver(mark);
    document.addEventListener("click", pick);
    model.on("change:chosen", mark);
    seen.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener("click", pick);
      model.off("change:chosen", mark);
      seen.disconnect();
    };
  },
};
