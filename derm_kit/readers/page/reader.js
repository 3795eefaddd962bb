// The page of a reader: what it shows is what the server says; answers go there at once, and again until they are taken.
const el = (id) => document.getElementById(id);
const EVERY_MS = 2500;
const AGAIN_MS = 1500;
const PATIENCE_MS = 15000;
const PARTS = ["join", "waiting", "case", "debrief"];
const SIZES = ["", "twice", "most"];
const NO_NETWORK = "The network is not there. Nothing is lost: this page goes on by itself when it is back. Leave it open.";
const NOT_KEPT = "This browser keeps no cookies for this page, so that it cannot take part. Allow them, or use another browser.";
const chosen = { diagnosis: "", disposition: "" };
let choices = null;
let shown = "";
let since = 0;
let until = null;
let sending = false;
let loaded = false;
let joined = false;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function make(tag, words, attributes = {}) {
  const made = document.createElement(tag);
  if (words !== undefined) made.textContent = words;
  Object.assign(made, attributes);
  return made;
}

function say(words, level = "info", lost = false) {
  el("notice").textContent = words;
  el("notice").className = level;
  el("notice").dataset.lost = lost ? "yes" : "";
}

function only(part) {
  for (const id of PARTS) el(id).hidden = id !== part;
}

function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Drawn once for a join and kept over a reload, until a look shows that the join arrived and the browser kept its cookie.
const joining = {
  lent: "",
  get request() {
    this.lent ||= uuid();
    try {
      if (!sessionStorage.getItem("joining")) sessionStorage.setItem("joining", this.lent);
      return sessionStorage.getItem("joining");
    } catch {
      return this.lent;
    }
  },
  done() {
    this.lent = "";
    try {
      sessionStorage.removeItem("joining");
    } catch {
      // nothing was kept there
    }
  },
};

async function ask(path, body) {
  const options = body ? { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } } : {};
  const signal = AbortSignal.timeout?.(PATIENCE_MS);
  const answer = await fetch(`api/${path}`, { cache: "no-store", credentials: "same-origin", signal, ...options });
  const said = await answer.json();
  if (answer.ok) return said;
  throw Object.assign(new Error(said.error), { status: answer.status, wait: Number(answer.headers.get("Retry-After")) });
}

async function untilTaken(path, body) {
  for (;;) {
    try {
      return await ask(path, body);
    } catch (error) {
      if (error.status && error.status !== 503 && error.status !== 429) throw error;
      say(error.status ? error.message : NO_NETWORK, "error", true);
      await pause(error.wait ? error.wait * 1000 : AGAIN_MS * (1 + Math.random()));
    }
  }
}

function buttons(id, offered) {
  for (const { key, label } of offered) {
    const button = make("button", label, { type: "button", value: key });
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => choose(id, key));
    el(id).append(button);
  }
}

function choose(id, key) {
  chosen[id] = key;
  for (const button of el(id).querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === key));
  ready();
}

function ready() {
  el("send").disabled = sending || !loaded || !(chosen.diagnosis && chosen.disposition);
}

function labelOf(id, key) {
  return choices[id].find((one) => one.key === key)?.label ?? key;
}

function inWords(answer) {
  return `${labelOf("diagnosis", answer.diagnosis)}; ${labelOf("disposition", answer.disposition)}; ${answer.confidence}% sure`;
}

async function showPicture(number, mine) {
  const image = el("picture").querySelector("img");
  loaded = false;
  image.removeAttribute("src");
  for (let again = 0; shown === mine && !loaded; again += 1) {
    image.alt = "The picture is on its way";
    image.src = `api/picture/${number}${again ? `?again=${again}` : ""}`;
    try {
      await image.decode();
      if (shown !== mine) return;
      loaded = true;
      image.alt = "Dermoscopic picture of the case";
      if (again) say("");
    } catch {
      if (shown !== mine) return;
      image.alt = "The picture did not load";
      say("The picture did not load; it is asked for again. If this stays, tell whoever leads the session.", "error");
      await pause(AGAIN_MS * 2);
    }
  }
  ready();
}

function showMap({ number, model }) {
  el("map").hidden = !model?.map;
  const image = el("map").querySelector("img");
  if (model?.map && image.dataset.of !== shown) image.src = `api/map/${number}`;
  image.dataset.of = model?.map ? shown : "";
}

function showCase(now) {
  const { number, phase, model, mine, phantom } = now.case;
  if (shown === `${number} ${phase}`) return showMap(now.case);
  shown = `${number} ${phase}`;
  since = performance.now();
  until = now.case.seconds_left === null ? null : since + now.case.seconds_left * 1000;
  showPicture(number, shown);
  el("dry").hidden = !phantom;
  el("model").hidden = !model;
  showMap(now.case);
  if (model) {
    el("view").textContent = `${labelOf("diagnosis", model.diagnosis)}: ${labelOf("disposition", model.disposition)}. ${model.reason}`;
    el("before").textContent = mine ? `You said: ${inWords(mine)}. Change it or leave it as it is.` : "";
  }
  choose("diagnosis", mine?.diagnosis ?? "");
  choose("disposition", mine?.disposition ?? "");
  el("confidence").value = mine?.confidence ?? 50;
  el("confidence").dispatchEvent(new Event("input"));
  el("large").close();
  tick();
  scrollTo(0, 0);
  el("title").focus({ preventScroll: true });
}

// The time of a case hurries nobody: at its end it only says so. Screen readers are told then, and not each second.
function tick() {
  const left = until === null ? null : Math.max(0, Math.ceil((until - performance.now()) / 1000));
  const words = left ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left for this case`
    : "The time for this case is up. Answer when you are ready.";
  el("clock").hidden = left === null;
  if (left !== null && el("clock").textContent !== words) {
    el("clock").setAttribute("aria-live", left ? "off" : "polite");
    el("clock").textContent = words;
  }
}

async function show(now) {
  el("erase").hidden = !now.reader;
  el("bar").hidden = !now.reader || !now.progress.of;
  el("progress").replaceChildren();
  if (!now.reader) {
    only("join");
    shown = "";
    return;
  }
  el("title").textContent = now.session.title;
  el("progress").append(make("bdi", now.reader.alias), `: ${now.progress.words}`);
  el("bar").value = now.progress.of ? now.progress.done / now.progress.of : 0;
  if (now.case) {
    only("case");
    showCase(now);
  } else if (now.revealed) {
    if (shown !== "debrief") await debrief();
    only("debrief");
  } else {
    only("waiting");
    shown = "";
    el("waits").textContent = now.waits;
  }
}

async function debrief() {
  const told = await ask("debrief");
  const into = el("debrief");
  into.replaceChildren(make("h2", "How it went"), ...told.summary.map((line) => make("p", line)));
  if (told.ask_names) into.append(names(told));
  for (const one of told.cases) into.append(telling(one));
  shown = "debrief";
  say("");
  scrollTo(0, 0);
}

function names(told) {
  const label = make("label", undefined, { className: "check" });
  const box = make("input", undefined, { type: "checkbox", checked: told.names_agreed });
  box.addEventListener("change", async () => {
    box.disabled = true;
    try {
      await untilTaken("names", { agreed: box.checked });
      say(box.checked ? "You agreed to be named. You can take it back here." : "You are not named.", "success");
    } catch (error) {
      box.checked = !box.checked;
      say(error.message, "error");
    } finally {
      box.disabled = false;
    }
  });
  label.append(box, make("span", told.ask_names));
  return label;
}

function telling(one) {
  const told = make("section", undefined, { className: one.model_wrong ? "told astray" : "told" });
  const pair = make("div", undefined, { className: "pair" });
  pair.append(make("img", undefined, { src: `api/picture/${one.number}`, alt: `Picture of case ${one.number}`, loading: "lazy" }));
  if (one.map) pair.append(make("img", undefined, { src: `api/map/${one.number}`, alt: "Heat map of the model", loading: "lazy" }));
  const list = make("dl");
  for (const [name, words] of one.lines) list.append(make("dt", name), make("dd", words));
  told.append(make("h3", `${one.number}. ${one.truth}`), pair, list, make("p", one.look_for), make("p", one.credit, { className: "soft" }));
  return told;
}

async function look() {
  if (sending) return;
  try {
    const now = await ask("state");
    if (sending) return;
    if (now.reader) joining.done();
    if (el("notice").dataset.lost) say("");
    await show(now);
    if (!now.reader && joined) say(NOT_KEPT, "error");
    joined = false;
  } catch (error) {
    if (!sending) say(error.status ? error.message : NO_NETWORK, "error", true);
  }
}

async function send(path, body, button) {
  if (sending) return;
  sending = button.disabled = true;
  try {
    const now = await untilTaken(path, body);
    joined = path === "join";
    say("");
    await show(now);
  } catch (error) {
    say(error.status ? error.message : NO_NETWORK, "error");
  } finally {
    sending = button.disabled = false;
    ready();
    look();
  }
}

function invited(session) {
  el("invited").hidden = el("invited").disabled = !session;
  el("enter").textContent = session ? "Join" : "Go on";
  el("title").textContent = session?.title ?? "Teaching session";
  el("consent").textContent = session?.consent ?? "";
}

async function invite(button) {
  button.disabled = true;
  try {
    invited((await untilTaken("invitation", { code: el("code").value })).session);
    say("");
    el("alias").focus();
  } catch (error) {
    say(error.message, "error");
  } finally {
    button.disabled = false;
  }
}

el("code").addEventListener("input", () => invited(null));
el("join").addEventListener("submit", (event) => {
  event.preventDefault();
  if (el("invited").disabled) return invite(el("enter"));
  const body = { code: el("code").value, alias: el("alias").value, consent: el("agreed").checked, request: joining.request };
  return send("join", body, el("enter"));
});
el("case").addEventListener("submit", (event) => {
  event.preventDefault();
  const [number, phase] = shown.split(" ");
  const seconds = (performance.now() - since) / 1000;
  const said = { ...chosen, confidence: Number(el("confidence").value), seconds };
  send("answer", { number: Number(number), phase, ...said, request: uuid() }, el("send"));
});
el("confidence").addEventListener("input", () => {
  el("sure").textContent = `${el("confidence").value}%`;
  el("confidence").setAttribute("aria-valuetext", `${el("confidence").value} percent`);
});
el("picture").addEventListener("click", () => {
  if (!loaded) return;
  const large = el("large").querySelector("img");
  large.src = el("picture").querySelector("img").src;
  large.className = "";
  el("large").showModal();
});
for (const one of [el("large").querySelector("img"), el("larger")]) {
  one.addEventListener("click", () => {
    const image = el("large").querySelector("img");
    image.className = SIZES[(SIZES.indexOf(image.className) + 1) % SIZES.length];
  });
}
el("closer").addEventListener("click", () => el("large").close());
el("erase").addEventListener("click", async () => {
  if (!confirm("Leave? What you answered stays; this phone can then join only under another name.")) return;
  await untilTaken("leave", {});
  location.reload();
});

choices = await untilTaken("choices");
buttons("diagnosis", choices.diagnosis);
buttons("disposition", choices.disposition);
await look();
el("code").value = new URLSearchParams(location.search).get("code") ?? "";
if (el("code").value && !el("join").hidden) invite(el("enter"));
setInterval(tick, 250);
for (;;) {
  await pause(EVERY_MS * (0.8 + 0.4 * Math.random()));
  await look();
}
