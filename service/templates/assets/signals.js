// Which signals went with success in the last evaluation, as GET /signals gives it; read whenever the table is opened.

import { ask, byId, make, percent, showProblem, table } from "./page.js";

let report = null; // the answer that is shown
let given = new Set(); // of the conversation that was predicted last

const keyOf = (signal) => `${signal.name} ${signal.polarity}`;

byId("signals-by-outcome").addEventListener("toggle", showSignals);

/** Asks for the figures and shows them, where the table is open. */
export async function showSignals() {
  if (!byId("signals-by-outcome").open) return;
  if (!report) byId("signals-note").textContent = "Reading …";
  showProblem(byId("signals-problem"), null);
  try {
    report = await ask("/signals");
    showReport();
  } catch (error) {
    if (!report) byId("signals-note").textContent = "";
    showProblem(byId("signals-problem"), error);
  }
}

/** Marks the signals that a conversation gives, as `analysis.signals` lists them. */
export function markSignals(signals) {
  given = new Set((signals ?? []).map(keyOf));
  if (report) showReport();
}

function showReport() {
  const found = report.signals.filter((signal) => signal.conversations);
  byId("signals-note").textContent = report.problem ?? noteOf(found);
  byId("signals-table").hidden = !found.length;
  byId("signals-table").replaceChildren(found.length ? tableOf(found) : "");
}

function noteOf(found) {
  const evaluated = `${report.successful} of the ${report.conversations} conversations of the last evaluation were successful`;
  if (!found.length) return `${evaluated}; none of them gives a signal.`;
  return `${evaluated} (dotted line). The figures show what went together, not what caused it.`;
}

/** First what speaks for the deal, then what speaks against it, each from the highest rate down, as in the picture. */
function tableOf(found) {
  const side = (polarity) => found.filter((signal) => signal.polarity === polarity).sort((a, b) => b.rate - a.rate);
  const columns = [{ title: "Signal", names: true }, { title: "Speaks" }, { title: "0 to 100 %" }, { title: "With it", number: true }, { title: "Without it", number: true }];
  const caption = "Share of successful conversations with each signal (above) and without it (below), with 95 % intervals";
  const content = table(columns, [...side("positive"), ...side("negative")].map(rowOf), { caption, wide: true });
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Signals and success" }, content);
}

function rowOf(signal) {
  const side = signal.polarity === "positive" ? "up" : "down";
  const mark = given.has(keyOf(signal)) ? make("span", { class: `tag ${side}` }, "in this conversation") : null;
  return [
    make("span", {}, signal.title, mark && " ", mark),
    make("span", { class: `tag ${side}` }, side === "up" ? "for" : "against"),
    shares(signal, side),
    figures(signal.rate, signal.successful, signal.conversations, signal.interval),
    signal.other_conversations ? figures(signal.other_rate, signal.other_successful, signal.other_conversations, signal.other_interval) : null,
  ];
}

function figures(rate, successful, conversations, [low, high]) {
  return make("span", {}, `${percent(rate)}, ${successful} of ${conversations}`, make("span", { class: "hint" }, `${percent(low)} to ${percent(high)}`));
}

function shares(signal, side) {
  const without = signal.other_conversations ? `, ${percent(signal.other_rate)} without it` : "";
  const all = at(make("span", { class: "all" }), report.successful / report.conversations);
  const marks = [all, ...interval("with", signal.rate, signal.interval)];
  if (without) marks.push(...interval("without", signal.other_rate, signal.other_interval));
  return make("div", { class: `share ${side}`, role: "img", "aria-label": `${percent(signal.rate)} with it${without}` }, make("div", {}, marks));
}

function interval(kind, rate, [low, high]) {
  const line = at(make("span", { class: `${kind} line` }), low);
  line.style.right = `${100 - 100 * high}%`;
  return [line, at(make("span", { class: `${kind} dot` }), rate)];
}

function at(element, share) {
  element.style.left = `${100 * share}%`;
  return element;
}
