// Picture viewer: zoom, pan and keyboard; a map on one fixed scale as colour or outline, never stretched.
const STEP = 1.25;
const LARGEST = 12;
const KEYS = "Arrow keys move, + and - zoom, 0 shows the whole, space shows the untouched picture.";

function bytes(view) {
  return view instanceof DataView ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array();
}

function heat(model) {
  const raw = bytes(model.get("map")).slice();
  const [h, w] = model.get("map_shape");
  return raw.length === 4 * h * w && h > 0 ? { values: new Float32Array(raw.buffer), h, w } : null;
}

// Bilinear sample of the map at (u, v) in 0..1, cell centres at (i + 0.5) / n.
function sample(map, u, v) {
  const x = Math.min(Math.max(u * map.w - 0.5, 0), map.w - 1);
  const y = Math.min(Math.max(v * map.h - 0.5, 0), map.h - 1);
  const x0 = Math.floor(x), y0 = Math.floor(y);
  const x1 = Math.min(x0 + 1, map.w - 1), y1 = Math.min(y0 + 1, map.h - 1);
  const at = (j, i) => map.values[j * map.w + i];
  const top = at(y0, x0) * (x1 - x) * (x1 > x0) + at(y0, x1) * (x1 > x0 ? x - x0 : 1);
  const low = at(y1, x0) * (x1 - x) * (x1 > x0) + at(y1, x1) * (x1 > x0 ? x - x0 : 1);
  return y1 > y0 ? top * (y1 - y) + low * (y - y0) : low;
}

// The map as an RGBA picture of side n: colour by value over scale, or a line where it crosses the level.
function painted(model, n) {
  const map = heat(model);
  const scale = model.get("scale");
  if (!map || !(scale > 0)) return null;
  const colours = bytes(model.get("colours"));
  const level = model.get("level");
  const value = new Float32Array(n * n);
  for (let j = 0; j < n; j++)
    for (let i = 0; i < n; i++) value[j * n + i] = sample(map, (i + 0.5) / n, (j + 0.5) / n) / scale;
  const image = new ImageData(n, n);
  const outline = model.get("mode") === "outline";
  for (let j = 0; j < n; j++)
    for (let i = 0; i < n; i++) {
      const k = j * n + i;
      if (outline) {
        const inside = value[k] >= level;
        const edge = (i + 1 < n && value[k + 1] >= level !== inside) || (j + 1 < n && value[k + n] >= level !== inside);
        image.data.set([255, 255, 255, edge ? 255 : 0], 4 * k);
      } else {
        const share = Math.min(Math.max(value[k], 0), 1);
        const colour = 3 * Math.round(share * 255);
        image.data.set([colours[colour], colours[colour + 1], colours[colour + 2], 255 * Math.sqrt(share)], 4 * k);
      }
    }
  const canvas = new OffscreenCanvas(n, n);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

export default {
  render({ model, el }) {
    el.classList.add("dk-viewer");
    const canvas = document.createElement("canvas");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    const hint = document.createElement("p");
    hint.className = "dk-hint";
    hint.textContent = KEYS;
    hint.id = "dk-viewer-" + crypto.randomUUID();
    canvas.setAttribute("aria-describedby", hint.id);
    const strength = document.createElement("input");
    Object.assign(strength, { type: "range", min: 0.1, max: 1, step: 0.05, value: model.get("opacity") });
    const label = document.createElement("label");
    label.className = "dk-strength";
    label.append("Strength of the map", strength);
    strength.addEventListener("input", () => {
      model.set("opacity", Number(strength.value));
      model.save_changes();
    });
    el.append(canvas, hint, label);

    let picture = null, overlay = null, zoom = 1, cx = 0.5, cy = 0.5, plain = false, dragged = null, turn = 0;

    function draw() {
      const side = Math.max(1, Math.round(el.clientWidth));
      const dots = window.devicePixelRatio || 1;
      const tall = picture ? side * Math.min(1, picture.height / picture.width) : side * 0.75;
      canvas.style.height = `${tall}px`;
      canvas.width = Math.round(side * dots);
      canvas.height = Math.round(tall * dots);
      const pen = canvas.getContext("2d");
      pen.clearRect(0, 0, canvas.width, canvas.height);
      if (!picture) return;
      const fit = Math.min(canvas.width / picture.width, canvas.height / picture.height) * zoom;
      const halfW = canvas.width / 2 / fit / picture.width, halfH = canvas.height / 2 / fit / picture.height;
      cx = halfW >= 0.5 ? 0.5 : Math.min(Math.max(cx, halfW), 1 - halfW);
      cy = halfH >= 0.5 ? 0.5 : Math.min(Math.max(cy, halfH), 1 - halfH);
      const left = canvas.width / 2 - cx * picture.width * fit, top = canvas.height / 2 - cy * picture.height * fit;
      pen.imageSmoothingQuality = "high";
      pen.drawImage(picture, left, top, picture.width * fit, picture.height * fit);
      if (overlay && !plain && model.get("mode") !== "picture") {
        const seen = Math.min(picture.width, picture.height) * fit;
        const x = left + (picture.width * fit - seen) / 2, y = top + (picture.height * fit - seen) / 2;
        pen.globalAlpha = model.get("mode") === "outline" ? 1 : model.get("opacity");
        pen.drawImage(overlay, x, y, seen, seen);
        pen.globalAlpha = 1;
      }
      canvas.dataset.shown = plain || model.get("mode") === "picture" || !overlay ? "picture" : model.get("mode");
      canvas.dataset.zoom = zoom.toFixed(2);
    }

    async function load() {
      const mine = ++turn;
      const data = bytes(model.get("picture"));
      const decoded = data.length ? await createImageBitmap(new Blob([data])) : null;
      if (mine !== turn) return;
      picture = decoded;
      [zoom, cx, cy] = [1, 0.5, 0.5];
      draw();
    }
    function paint() {
      label.hidden = !bytes(model.get("map")).length;
      overlay = painted(model, model.get("mode") === "outline" ? 448 : 224);
      draw();
    }
    function describe() {
      canvas.setAttribute("aria-label", model.get("description"));
    }
    function zoomBy(factor) {
      zoom = Math.min(Math.max(zoom * factor, 1), LARGEST);
      draw();
    }
    function moveBy(dx, dy) {
      [cx, cy] = [cx + dx / zoom, cy + dy / zoom];
      draw();
    }
    const keys = {
      ArrowLeft: () => moveBy(-0.1, 0), ArrowRight: () => moveBy(0.1, 0),
      ArrowUp: () => moveBy(0, -0.1), ArrowDown: () => moveBy(0, 0.1),
      "+": () => zoomBy(STEP), "=": () => zoomBy(STEP), "-": () => zoomBy(1 / STEP),
      "0": () => { [zoom, cx, cy] = [1, 0.5, 0.5]; draw(); },
      " ": () => { plain = !plain; draw(); },
    };
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return;
      event.preventDefault();
      zoomBy(event.deltaY < 0 ? STEP : 1 / STEP);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      dragged = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!dragged) return;
      const [x, y] = dragged;
      dragged = [event.clientX, event.clientY];
      moveBy((x - event.clientX) / canvas.clientWidth, (y - event.clientY) / canvas.clientHeight);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { dragged = null; });

    const resized = new ResizeObserver(draw);
    resized.observe(el);
    model.on("change:picture", load);
    model.on("change:map change:scale change:mode change:level", paint);
    model.on("change:opacity", () => {
      strength.value = model.get("opacity");
      draw();
    });
    model.on("change:description", describe);
    describe();
    load().then(paint);
    return () => resized.disconnect();
  },
};
