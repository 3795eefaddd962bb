// What the page asks of the server, and asks again until it is told; what it says to its reader meanwhile.
export const el = (id) => document.getElementById(id);
export const AGAIN_MS = 1500;
const PATIENCE_MS = 15000;
export const NO_NETWORK = "The network is not there. Nothing is lost: this page goes on by itself when it is back. Leave it open.";

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export function make(tag, words, attributes = {}) {
  const made = document.createElement(tag);
  if (words !== undefined) made.textContent = words;
  Object.assign(made, attributes);
  return made;
}

export function say(words, level = "info", lost = false) {
  el("notice").textContent = words;
  el("notice").className = level;
  el("notice").dataset.lost = lost ? "yes" : "";
}

export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Drawn once for a join and kept over a reload, until a look shows that the join arrived and the browser kept its cookie.
export const joining = {
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

export async function ask(path, body) {
  const options = body ? { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } } : {};
  const signal = AbortSignal.timeout?.(PATIENCE_MS);
  const answer = await fetch(`api/${path}`, { cache: "no-store", credentials: "same-origin", signal, ...options });
  const said = await answer.json();
  if (answer.ok) return said;
  throw Object.assign(new Error(said.error), { status: answer.status, wait: Number(answer.headers.get("Retry-After")) });
}

export async function untilTaken(path, body) {
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
