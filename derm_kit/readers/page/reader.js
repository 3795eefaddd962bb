// The page of a reader: what it shows is what the server says; answers go there at once, and again until they are taken.
import { AGAIN_MS, NO_NETWORK, ask, el, joining, make, pause, say, untilTaken, uuid } from "./asking.js";
import { debrief } from "./debrief.js";

const EVERY_MS = 2500;
const PARTS = ["join", "waiting", "case", "debrief"];
const SIZES = ["", "twice", "most"];
const NOT_KEPT = "This browser keeps no cookies for this page, so that it cannot take part. Allow them, or use another browser.";
const chosen = { diagnosis: "", disposition: "" };
let choices = null;
let shown = "";
let since = 0;
let until = null;
let sending = false;
let loaded = false;
let joined = false;

function only(part) {
  for (const id of PARTS) el(id).hidden = id !== part;
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
    if (shown !== "debrief") {
      await debrief(el("debrief"));
      shown = "debrief";
      say("");
      scrollTo(0, 0);
    }
    only("debrief");
  } else {
    only("waiting");
    shown = "";
    el("waits").textContent = now.waits;
  }
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
