// What a reader is told of each case once the truth is out.
import { ask, make, say, untilTaken } from "./asking.js";

export async function debrief(into) {
  const told = await ask("debrief");
  into.replaceChildren(make("h2", "How it went"), ...told.summary.map((line) => make("p", line)));
  if (told.ask_names) into.append(names(told));
  for (const one of told.cases) into.append(telling(one));
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
