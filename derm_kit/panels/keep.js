// Charts of this widget's page: a PNG where it is asked for; what was unfolded stays so when a chart is drawn anew.
const SCALE = 3;

function download(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

function png(button) {
  const svg = button.closest("figure").querySelector("a[download$='.svg']");
  const picture = new Image();
  picture.onload = () => {
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
    canvas.width = SCALE * button.dataset.width;
    canvas.height = SCALE * button.dataset.height;
    pen.fillStyle = "white";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => {
      const url = URL.createObjectURL(blob);
      download(url, svg.download.replace(/svg$/, "png"));
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    }, "image/png");
  };
  picture.src = svg.href;
}

export default {
  render({ el }) {
    el.hidden = true;
    const open = new Set();
    const ours = (node) => el.closest(".dk-page") && el.closest(".dk-page").contains(node);
    const named = (details) => details.querySelector("summary")?.textContent;
    const click = (event) => {
      const button = event.target.closest("button[data-png]");
      if (button && ours(button)) png(button);
    };
    const toggle = (event) => {
      const details = event.target;
      if (details.tagName !== "DETAILS" || !ours(details)) return;
      if (details.open) open.add(named(details));
      else open.delete(named(details));
    };
    const unfold = new MutationObserver((changes) => {
      for (const change of changes)
        for (const node of change.addedNodes)
          if (node.querySelectorAll)
            for (const details of node.parentNode?.querySelectorAll("details:not([open])") ?? [])
              if (open.has(named(details))) details.open = true;
    });
    document.addEventListener("click", click);
    document.addEventListener("toggle", toggle, true);
    unfold.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener("click", click);
      document.removeEventListener("toggle", toggle, true);
      unfold.disconnect();
    };
  },
};
