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
    // Within a list that scrolls by itself; the page stays where it is.
    const bring = (button, list) => {
      if (!list) return;
      const at = button.getBoundingClientRect(), seen = list.getBoundingClientRect();
      if (at.bottom > seen.bottom) list.scrollTop += at.bottom - seen.bottom;
      else if (at.top < seen.top) list.scrollTop -= seen.top - at.top;
    };
    const mark = () => {
      for (const button of document.querySelectorAll("button[data-case]"))
        if (ours(button)) {
          const chosen = button.dataset.case === model.get("chosen");
          if (chosen === button.hasAttribute("aria-current")) continue;
          if (chosen) {
            button.setAttribute("aria-current", "true");
            bring(button, button.closest(".dk-worklist"));
          } else button.removeAttribute("aria-current");
        }
    };
    const changes = new MutationObserver(mark);
    document.addEventListener("click", pick);
    model.on("change:chosen", mark);
    changes.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener("click", pick);
      model.off("change:chosen", mark);
      changes.disconnect();
    };
  },
};
