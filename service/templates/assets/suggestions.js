// On /dashboard and /deals: which outcome to look up next and which recorded one contradicts, as GET /suggest gives it; an outcome that
// was looked up is entered here. Asked for once, with each entered outcome and with "Refresh now": it is the same all day.

import { ask, askForKey, byId, make, onKey, percent, post, showProblem, table } from "./page.js";

document.getElementById("window-form")?.addEventListener("submit", show); // "Refresh now" of /dashboard
onKey(show);
show();

async function show() {
  try {
    const found = await ask("/suggest");
    showProblem(byId("suggestions-problem"), null);
    byId("suggestions-note").textContent = [noteOf(found), ...found.notices].join(" ");
    byId("suggestions").replaceChildren(...(found.suggestions.length ? [suggestions(found.suggestions)] : []));
    byId("contradictions-note").textContent = found.contradictions.length ? found.contradictions_mean.replaceAll(" %", "\u00a0%") : "No outcome in the log contradicts what was predicted before it.";
    byId("contradictions").replaceChildren(...(found.contradictions.length ? [contradictions(found.contradictions)] : []));
  } catch (error) {
    const needsKey = error.status === 401 || error.status === 403;
    showProblem(byId("suggestions-problem"), needsKey ? null : error);
    byId("suggestions-note").textContent = needsKey ? error.message : "";
    if (needsKey) askForKey(error.message);
  }
}

function noteOf(found) {
  if (!found.suggestions.length) return "No stored prediction waits for its outcome.";
  return `${found.suggestions.length} of ${found.without_outcome.toLocaleString("en")} without an outcome, chosen for ${found.day}.`;
}

function suggestions(list) {
  const columns = [{ title: "Deal or conversation", names: true }, { title: "Probability", number: true }, { title: "Why", words: true }, { title: "Begins", words: true }, { title: "It ended" }];
  const rows = list.map((one) => [nameOf(one), percent(one.probability), one.reason, one.excerpt, one.outcome ? tag(one.outcome) : outcomeButtons(one)]);
  return table(columns, rows, { wide: true });
}

function contradictions(list) {
  const columns = [{ title: "Deal or conversation", names: true }, { title: "Recorded" }, { title: "Predicted before", number: true }];
  return table(columns, list.map((one) => [nameOf(one), tag(one.recorded_outcome), percent(one.predicted_probability)]), { wide: true });
}

function nameOf(one) {
  return one.deal_id ?? one.conversation_id ?? one.prediction_id;
}

function tag(outcome) {
  return make("span", { class: `tag ${outcome === "successful" ? "up" : "down"}` }, outcome);
}

function outcomeButtons(one) {
  const button = (text, outcome) => {
    const element = make("button", { type: "button", class: "quiet small", "aria-label": `${nameOf(one)} was ${text.toLowerCase()}` }, text);
    element.addEventListener("click", () => record(one, outcome));
    return element;
  };
  return make("span", { class: "row" }, button("Won", "successful"), button("Lost", "failed"));
}

async function record(one, outcome) {
  try {
    await post("/feedback", { prediction_id: one.prediction_id, actual_outcome: outcome });
    await show();
    byId("suggestions").focus(); // the button that had the focus is gone
  } catch (error) {
    showProblem(byId("suggestions-problem"), error);
  }
}
