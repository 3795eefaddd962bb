// Links to the parts of the page, of which the open one says so; what was opened is brought into sight and into focus.
export default {
  render({ model, el }) {
    const nav = document.createElement("nav");
    nav.className = "dk-tabs";
    nav.setAttribute("aria-label", "Parts of this page");
    const links = model.get("tabs").map(([value, words]) => {
      const link = document.createElement("a");
      link.href = `#tab=${value}`;
      link.textContent = words;
      link.dataset.tab = value;
      nav.append(link);
      return link;
    });
    el.append(nav);
    const mark = () => {
      for (const link of links)
        if (link.dataset.tab === model.get("chosen")) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
    };
    // What is brought may still be on its way to the page.
    const bring = (tries = 40) => {
      const page = el.closest(".dk-page");
      const wanted = [...(page?.querySelectorAll("[data-bring]") ?? [])].find(
        (node) => node.dataset.bring === model.get("wanted") && node.offsetParent !== null,
      );
      if (!wanted) {
        if (tries) setTimeout(() => bring(tries - 1), 50);
        return;
      }
      wanted.tabIndex = -1;
      wanted.focus({ preventScroll: true });
      wanted.scrollIntoView({ block: "start" });
    };
    const asked = () => bring();
    model.on("change:chosen", mark);
    model.on("change:times", asked);
    mark();
    if (model.get("times")) bring();
    return () => {
      model.off("change:chosen", mark);
      model.off("change:times", asked);
    };
  },
};
