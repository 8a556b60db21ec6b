// The page of one deal: GET /deals/{deal_id} as a chart, what moved it, the card, signals with their dates, warnings.

import { draw } from "./charts.js";
import { ask, byId, card, capitalised, make, moment, onKey, percent, showNotices, showProblem, table, words } from "./page.js";
import { inWords } from "./sparkline.js";

const STATUS = { met: ["✓", "met"], "not met": ["✗", "not met"], unknown: ["?", "nothing was said"] };
const ELEMENTS = ["budget", "authority", "need", "timing"];

onKey(show);
show();

async function show() {
  const name = decodeURIComponent(location.pathname.replace("/deals/", ""));
  byId("deal-name").textContent = name;
  document.title = `${name} · ${document.title.split(" · ").at(-1)}`;
  showProblem(byId("problem"), null);
  try {
    showDeal(await ask(location.pathname));
    byId("status").textContent = "";
  } catch (error) {
    byId("status").textContent = "";
    showProblem(byId("problem"), error);
  }
}

function showDeal(deal) {
  const notices = make("ul", { class: "notices", "aria-label": "What is not known" });
  showNotices(notices, deal.notices);
  byId("deal").replaceChildren(...[
    notices,
    make("div", { class: "columns deal-columns" },
      make("div", {}, verdict(deal), later(curveCard(deal)), later(movedCard(deal)), later(signalsCard(deal))),
      make("div", {}, warningsCard(deal), stepsCard(deal), later(qualificationCard(deal)))),
    predictionsCard(deal),
  ].filter(Boolean));
  byId("deal").hidden = false;
  drawCurve(deal.curve);
}

/** On a phone behind what is to be done. */
function later(shown) {
  shown?.classList.add("later");
  return shown;
}

function verdict(deal) {
  const side = deal.probability >= 0.5 ? "up" : "down";
  const facts = [
    ["Since last time", deal.change === null ? "this is the first prediction" : inPoints(deal.change)],
    deal.band && ["Band", deal.band],
    deal.group && ["Group", deal.group],
    ["State", deal.is_open ? "open" : ended(deal)],
  ].filter(Boolean);
  return card(
    "Probability that it closes",
    make("p", { class: "verdict" }, make("span", { class: `percent ${side}`, id: "probability" }, percent(deal.probability))),
    make("dl", { class: "facts" }, facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
  );
}

function ended(deal) {
  const said = deal.predictions.map((one) => one.actual_outcome).filter(Boolean).at(-1);
  return said === "successful" ? "won" : "lost";
}

function inPoints(change) {
  const points = Math.round(100 * change);
  return points === 0 ? "unchanged" : `${points > 0 ? "up" : "down"} ${Math.abs(points)} percentage points`;
}

function curveCard(deal) {
  const rows = deal.curve.map((one, n) => [nameOf(one, n), dayOf(one), percent(one.probability), n ? inPoints(one.probability - deal.curve[n - 1].probability) : "first"]);
  const columns = [{ title: "Conversation", names: true }, { title: "Day" }, { title: "Probability", number: true }, { title: "Change" }];
  return card(
    "After each conversation",
    make("div", { class: "plot", id: "curve" }),
    make("details", {}, make("summary", {}, "Figures as a table"), make("div", { class: "scroll" }, table(columns, rows, { wide: true }))),
  );
}

function nameOf(point, place) {
  return point.conversation_id ?? `conversation ${place + 1}`;
}

function dayOf(point) {
  return point.date ? point.date.slice(0, 10) : "no date";
}

function drawCurve(points) {
  const labels = points.map((one, n) => `${n + 1}<br>${one.date ? dayOf(one) : ""}`);
  const texts = points.map((one, n) => `${nameOf(one, n)}, ${dayOf(one)}: ${percent(one.probability)}`);
  return draw(
    byId("curve"), inWords(points),
    (colours) => [{
      type: "scatter", mode: "lines+markers", x: points.map((_, n) => n), y: points.map((one) => 100 * one.probability),
      text: texts.map(plain), hoverinfo: "text", line: { color: colours.up, width: 3 }, marker: { size: 9, color: colours.up },
    }],
    (colours, width) => ({
      showlegend: false, margin: { l: 44, r: 16, t: 12, b: 52 },
      shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 50, y1: 50, line: { color: colours.soft, width: 1, dash: "dot" } }],
      xaxis: { tickvals: shownTicks(points.length, width), ticktext: shownTicks(points.length, width).map((n) => labels[n]), range: [-0.3, points.length - 0.7], zeroline: false },
      yaxis: { range: [0, 100], ticksuffix: " %" },
    }),
  );
}

/** As many as have room. */
function shownTicks(count, width) {
  const step = Math.max(1, Math.ceil(count / Math.max(2, Math.floor(width / 90))));
  return Array.from({ length: count }, (_, n) => n).filter((n) => n % step === 0 || n === count - 1);
}

/** Plotly reads some HTML in texts. */
function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function movedCard({ moved_most: moved }) {
  if (!moved?.evidence.length) return null;
  const where = [moved.conversation_id, moved.date?.slice(0, 10)].filter(Boolean).join(", ");
  const effect = moved.change === null ? "Its only conversation" : `${where || "One conversation"}: ${inPoints(moved.change)}`;
  const items = moved.evidence.map((one) => make(
    "li", {}, sentence(one.effect), make("q", {}, one.sentence), one.speaker ? make("span", { class: "hint" }, ` ${capitalised(one.speaker)}`) : null));
  return card("What moved it most", make("p", { class: "hint" }, `${effect}. Each sentence with what that conversation would lose without it.`), make("ul", { class: "moved-by", id: "moved" }, items));
}

function sentence(effect) {
  const side = effect >= 0 ? "up" : "down";
  const spoken = `${effect >= 0 ? "raises" : "lowers"} by ${Math.abs(effect).toFixed(1)} points: `;
  return make("span", { class: `points ${side}` },
    make("span", { "aria-hidden": "true" }, `${effect >= 0 ? "+" : "−"}${Math.abs(effect).toFixed(1)}`), make("span", { class: "out-of-sight" }, spoken));
}

function warningsCard(deal) {
  if (!deal.is_open) return null;
  if (!deal.warnings.length) return card("Warnings", make("p", { class: "empty" }, "None today."));
  const items = deal.warnings.map((one) => make(
    "li", { class: one.severity }, make("span", { class: "out-of-sight" }, `${one.severity}: `), one.sentence,
    one.since ? make("span", { class: "hint" }, ` since ${one.since}`) : null, quotes(one.quotes)));
  return card("Warnings", make("ul", { class: "warnings", id: "warnings" }, items));
}

function stepsCard({ recommended_actions: actions }) {
  if (!actions.length) return null;
  return card("What to do next", make("ol", { id: "steps" }, actions.map((one) => make(
    "li", {}, make("strong", {}, one.action), ` (${one.urgency})`, one.reason ? make("span", { class: "hint reason" }, `because ${one.reason}`) : null))));
}

function qualificationCard({ qualification, gaps }) {
  if (!qualification) return null;
  const parts = ELEMENTS.map((name) => element(name, qualification[name]));
  const missing = gaps.length ? `Nobody has said a word on: ${gaps.join(", ")}.` : "Something was said on all four.";
  return card("Budget, authority, need, timing", make("p", { class: "hint", id: "gaps" }, missing), make("dl", { class: "bant" }, parts.flat()));
}

function element(name, criterion) {
  const [sign, said] = STATUS[criterion.status];
  const detail = [criterion.detail, criterion.since && `since ${criterion.since}`].filter(Boolean).join(", ");
  return [
    make("dt", { class: criterion.status.replace(" ", "-") }, make("span", { class: "sign", "aria-hidden": "true" }, sign), capitalised(name)),
    make("dd", {}, said, detail ? `: ${detail}` : "", quotes(criterion.quotes)),
  ];
}

function quotes(said) {
  if (!said?.length) return null;
  return make("ul", { class: "quotes" }, said.map((one) => make(
    "li", {}, one.question ? make("span", { class: "hint" }, `${one.question} – `) : null, make("q", {}, one.text),
    make("span", { class: "hint" }, ` ${[capitalised(one.said_by), one.day].filter(Boolean).join(", ")}`))));
}

function signalsCard({ signals }) {
  if (!signals.length) return null;
  const rows = signals.map((one) => [
    capitalised(words(one.name)), make("span", { class: `tag ${one.polarity === "positive" ? "up" : "down"}` }, one.polarity === "positive" ? "for it" : "against it"),
    one.date ? one.date.slice(0, 10) : null, make("q", {}, one.quote),
  ]);
  const columns = [{ title: "Signal", names: true }, { title: "Speaks" }, { title: "Day" }, { title: "Newest word", words: true }];
  return card("Signals", make("div", { class: "scroll", id: "signals" }, table(columns, rows, { wide: true })));
}

function predictionsCard({ predictions }) {
  const rows = [...predictions].reverse().map((one) => [moment(one.predicted_at), percent(one.probability, 1), one.change === null ? "first" : inPoints(one.change), one.conversation_id, words(one.model), one.actual_outcome]);
  const columns = [{ title: "When", names: true }, { title: "Probability", number: true }, { title: "Change" }, { title: "Newest conversation" }, { title: "Model" }, { title: "Ended" }];
  return make("section", { class: "card" }, make("details", {}, make("summary", {}, make("h2", {}, `Predictions (${predictions.length})`)), make("div", { class: "scroll" }, table(columns, rows, { wide: true }))));
}
