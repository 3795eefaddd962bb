// Says when the page has lost the workbench, keeps what is entered meanwhile, and sends it once when it is back.
const EVERY_MS = 4000, PATIENCE_MS = 10000, ENDED = ["dead", "restarting", "autorestarting"];
const KINDS = { warning: "Take care", error: "This page has stopped", success: "Done", info: "Note" };
const LOST = [
  "The connection to the workbench is lost. The page tries again by itself.",
  "Leave the page open: what you enter now is kept here and sent when the connection is back. Only what says Stored is stored.",
];
const BACK = ["The connection is back. What you entered meanwhile has been sent, once."];
const GONE = [
  "The part of the workbench behind this page has ended. All that was stored is kept; what you enter now goes nowhere.",
  "Load the page again to go on. Text that stands in its fields is shown to you there.",
];
const KEPT = ["This page was loaded again. This text stood in its fields before:"];

function entered(page) {
  const fields = [...page.querySelectorAll("textarea, input[type=text]")].filter((field) => field.value.trim());
  return fields.map((field) => [field.getAttribute("aria-label") || field.labels[0]?.textContent || "Text", field.value]);
}

function show(el, kind, lines, button, press) {
  const part = (tag, text, into = el) => into.appendChild(Object.assign(document.createElement(tag), { textContent: text }));
  el.replaceChildren();
  el.className = `dk-connection dk-notice dk-${kind}`;
  el.setAttribute("role", kind === "error" || kind === "warning" ? "alert" : "status");
  part("strong", KINDS[kind]);
  for (const line of lines) part("p", line);
  if (!button) return;
  const pressed = part("button", button);
  pressed.className = "jupyter-button";
  pressed.addEventListener("click", press);
}

export default {
  render({ model, el }) {
    const kernel = model.widget_manager.kernel, key = `derm-kit entered ${window.location.pathname}`;
    const served = Boolean(document.body.dataset.voila);
    const unanswered = new Map();
    let state = "", broken = false, asked = 0, later = 0, tries = 0, heard = 0;
    el.hidden = true;
    if (!served) return;

    const tell = (kind, lines, button, press) => {
      el.hidden = false;
      show(el, kind, lines, button, press);
    };
    const close = () => {
      el.hidden = true;
      el.replaceChildren();
    };
    const lost = () => {
      broken = true;
      if (state) return;
      state = "lost";
      tell("warning", LOST);
    };
    const gone = () => {
      if (state === "gone") return;
      state = "gone";
      clearTimeout(later);
      tell("error", GONE, "Load the page again", () => window.location.reload());
    };
    const leave = () => {
      const fields = state === "gone" && el.closest(".dk-page") ? entered(el.closest(".dk-page")) : [];
      if (fields.length) sessionStorage.setItem(key, JSON.stringify(fields));
    };

    const follow = (_, { msg, direction }) => {
      if (direction === "recv") heard = performance.now();
      if (direction === "send" && msg.header.msg_type === "comm_msg") unanswered.set(msg.header.msg_id, msg);
      if (direction === "recv" && msg.header.msg_type === "status" && msg.content.execution_state === "idle")
        unanswered.delete(msg.parent_header.msg_id);
    };
    // What was on its way when the line broke may have arrived or not: it goes again, before all that is entered
    // from now on, and the kernel takes each message once. Another `again` makes it another message to the signature.
    const sendAgain = () => {
      tries += 1;
      for (const msg of unanswered.values())
        kernel._sendMessage({ ...msg, metadata: { ...msg.metadata, again: tries } });
    };
    const onConnection = (_, status) => {
      if (state === "gone") return;
      if (status === "connected") {
        broken = false;
        asked += 1;
        model.send({ again: asked });
      } else {
        lost();
        if (status === "connecting") sendAgain();
      }
    };
    const onStatus = (_, status) => {
      if (ENDED.includes(status)) gone();
    };
    const onAnswer = (answer) => {
      if (state !== "lost" || answer.again !== asked) return;
      state = "";
      tell("success", BACK, "Close", close);
    };

    const look = async () => {
      const before = kernel.connectionStatus, began = performance.now();
      try {
        const address = `${kernel.serverSettings.baseUrl}api/kernels/${kernel.id}`;
        const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
        if (answer.status === 404 || (answer.ok && ENDED.includes((await answer.json()).execution_state))) gone();
        else if (!answer.ok) lost();
        else if (broken && kernel.connectionStatus === before) kernel.reconnect().catch(lost);
      } catch (error) {
        if (error.name !== "TimeoutError" || heard < began) lost(); // a busy server answers late, and sends meanwhile
      }
      if (state !== "gone") later = setTimeout(look, EVERY_MS);
    };

    kernel.anyMessage.connect(follow);
    kernel.connectionStatusChanged.connect(onConnection);
    kernel.statusChanged.connect(onStatus);
    model.on("msg:custom", onAnswer);
    window.addEventListener("pagehide", leave);
    later = setTimeout(look, EVERY_MS);
    const kept = sessionStorage.getItem(key);
    if (kept) {
      tell("info", [...KEPT, ...JSON.parse(kept).map(([name, text]) => `${name} ${text}`)], "Close", () => {
        sessionStorage.removeItem(key);
        close();
      });
    }
    return () => {
      clearTimeout(later);
      kernel.anyMessage.disconnect(follow);
      kernel.connectionStatusChanged.disconnect(onConnection);
      kernel.statusChanged.disconnect(onStatus);
      model.off("msg:custom", onAnswer);
      window.removeEventListener("pagehide", leave);
    };
  },
};
