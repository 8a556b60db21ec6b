// "This signal is wrong": what people say of a sentence's signal, for POST /signals/label. The page has the choices as a
// template; where nothing of a conversation may be stored it has none, and nothing can be said.

import { byId, make, post, showProblem, words } from "./page.js";

const template = byId("signal-choices");

export const canLabel = template !== null;

/** A button at a signal, which becomes a form and then what was noted. */
export function labelCell(predictionId, signal) {
  const cell = make("div", { class: "label-cell" });
  const button = make("button", { type: "button", class: "quiet small", "aria-label": `The signal ${words(signal.name)} is wrong` }, "Wrong");
  button.addEventListener("click", () => {
    const said = { name: signal.name, polarity: signal.polarity };
    const form = labelForm(predictionId, { said, sentence: () => signal.quote, done: (text) => noted(cell, text) });
    form.querySelector(".row").append(cancel(() => { cell.replaceChildren(button); button.focus(); }));
    cell.replaceChildren(form);
    form.querySelector("select").focus();
  });
  cell.append(button);
  return cell;
}

/** The form for a sentence whose signal was not found; it takes over what is selected on the page. */
export function missingSignal(predictionId) {
  const field = make("textarea", { id: "missing-sentence", rows: "2", maxlength: "2000", required: "" });
  const status = make("p", { class: "hint", role: "status", "aria-live": "polite" });
  const form = labelForm(predictionId, {
    said: null,
    sentence: () => field.value,
    done: (text) => { status.textContent = text; field.value = ""; },
  });
  form.prepend(make("p", {}, make("label", { for: "missing-sentence" }, "The sentence"), field));
  const details = make("details", { id: "missing-signal" }, make("summary", {}, "A signal is missing"), form, status);
  details.addEventListener("toggle", () => { if (details.open && !field.value) field.value = String(getSelection()).trim(); });
  return details;
}

function labelForm(predictionId, { said, sentence, done }) {
  const choice = make("select", { "aria-label": "What the sentence gives" }, ...template.content.cloneNode(true).children);
  if (!said) choice.firstElementChild.remove(); // "no signal" is no news of a sentence where none was found
  const problem = make("p", { class: "problem", role: "alert", hidden: "" });
  const save = make("button", { type: "submit", class: "small" }, "Save");
  const form = make("form", { class: "label-form" }, make("div", { class: "row" }, choice, save), problem);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (save.getAttribute("aria-disabled") === "true") return;
    save.setAttribute("aria-disabled", "true");
    showProblem(problem, null);
    try {
      await post("/signals/label", { prediction_id: predictionId, sentence: sentence(), said, should_be: chosen(choice.value) });
      done(`Noted: ${choice.selectedOptions[0].textContent}.`);
    } catch (error) {
      showProblem(problem, error);
    } finally {
      save.removeAttribute("aria-disabled");
    }
  });
  return form;
}

function chosen(value) {
  const [name, polarity] = value.split(" ");
  return polarity ? { name, polarity } : null;
}

function cancel(action) {
  const button = make("button", { type: "button", class: "quiet small" }, "Cancel");
  button.addEventListener("click", action);
  return button;
}

function noted(cell, text) {
  const note = make("p", { class: "hint", role: "status", tabindex: "-1" }, text);
  cell.replaceChildren(note);
  note.focus(); // what had the focus is gone
}
