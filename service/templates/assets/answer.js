// One answer of POST /predict on the page. Fields that the answer does not have are left out.

import { clear, draw } from "./charts.js";
import { canLabel, labelCell, missingSignal } from "./labels.js";
import { capitalised, card, make, percent, speakerOf, table, words } from "./page.js";
import { talkCard } from "./talk.js";

/** The answer as cards. `conversation`: what was asked, as POST /conversations/read gives it. */
export function answerCards(answer, conversation) {
  const analysis = answer.analysis ?? {};
  return [
    verdictCard(answer),
    transcriptCard(conversation, analysis.evidence),
    curveCard(answer.trajectory, conversation.trajectory_turns),
    recommendationsCard(answer.recommendations),
    signalsCard(analysis, answer.prediction_id),
    talkCard(analysis.talk, answer.sides_inferred),
    similarCard(answer.similar_conversations, answer.similar_problem),
  ].filter(Boolean);
}

function verdictCard(answer) {
  const { probability, outcome } = answer.prediction;
  const interval = answer.probability_interval;
  const side = outcome === "successful" ? "up" : "down";
  return card(
    "Probability that it converts",
    make(
      "p", { class: "verdict" },
      make("span", { class: `percent ${side}`, id: "probability" }, percent(probability)),
      make("span", {}, `expected to be ${outcome}`, interval ? ` · interval ${range(interval)}` : ""),
    ),
    scale(probability, interval),
    make("div", { class: "ends hint", "aria-hidden": "true" }, make("span", {}, "0 %"), make("span", {}, "100 %")),
    reliabilityNote(answer),
    make("dl", { class: "facts" }, verdictFacts(answer).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
  );
}

function verdictFacts(answer) {
  const facts = [];
  if (answer.band) facts.push(["Band", bandText(answer.band)]);
  if (answer.reliability === "ok") facts.push(["Reliability", "ok"]);
  if (answer.analysis?.sentiment) facts.push(["Sentiment", answer.analysis.sentiment]);
  const version = answer.model_version ? `, version ${answer.model_version}` : "";
  facts.push(["Model", `${words(answer.model_used)}${version}`]);
  if (answer.prediction_id) facts.push(["Prediction", answer.prediction_id]);
  return facts;
}

function bandText(band) {
  if (typeof band === "string") return band;
  const shared = band.shared_by?.length > 1 ? `, shared by ${band.shared_by.join(", ")}` : "";
  if (band.observed_rate === null || band.observed_rate === undefined) return `${band.name}: no outcome was observed in it`;
  const interval = band.interval ? ` (95 % interval ${range(band.interval)})` : "";
  return `${band.name}: ${percent(band.observed_rate)} of ${band.conversations} known conversations converted${interval}${shared}`;
}

function range([low, high]) {
  return `${percent(low)} to ${percent(high)}`;
}

function scale(probability, interval) {
  const mark = make("span", { class: "mark" });
  mark.style.left = `${100 * probability}%`;
  const band = interval && make("span", { class: "interval" });
  if (band) {
    band.style.left = `${100 * interval[0]}%`;
    band.style.right = `${100 - 100 * interval[1]}%`;
  }
  const label = `${percent(probability)} on a scale from 0 to 100 %${interval ? `, interval ${range(interval)}` : ""}`;
  return make("div", { class: "scale", role: "img", "aria-label": label }, band, mark);
}

function reliabilityNote(answer) {
  if (answer.reliability !== "low") return null;
  const reasons = answer.reliability_reasons ?? [];
  return make(
    "div", { class: "low", id: "low-reliability" },
    make("strong", {}, "Low reliability: don't lean on this figure."),
    reasons.length ? make("ul", {}, reasons.map((reason) => make("li", {}, reason))) : null,
  );
}

function recommendationsCard(recommendations) {
  if (!recommendations?.length) return null;
  return card("What to do next", make("ol", { id: "recommendations" }, recommendations.map((text) => make("li", {}, text))));
}

function transcriptCard(conversation, evidence) {
  if (!conversation) return null;
  const turns = conversation.turns ?? [{ speaker: "", text: conversation.transcript, isNote: true }];
  const strongest = Math.max(1, ...(evidence ?? []).map((found) => Math.abs(found.effect)));
  const shown = turns.map((turn, n) => {
    const here = (evidence ?? []).filter((found) => (turn.isNote ? true : found.turn === n));
    const named = speakerOf(turn);
    const speaker = named ? make("span", { class: "speaker" }, `${named}: `) : null;
    return make("p", { class: "turn" }, speaker, colouredSentences(turn.text, here, strongest));
  });
  const hint = evidence?.length
    ? "Solid underline: the sentence raises the probability; dashed: it lowers it. The figure is by how many percentage points."
    : null;
  return card(
    hint ? "What moved the probability" : "What was said",
    hint && make("p", { class: "hint" }, hint),
    make("div", { class: "transcript", tabindex: "0", role: "region", "aria-label": "The conversation", id: "conversation" }, shown),
  );
}

/** A text as spans and text nodes. Places count characters as Python does, not halves of them as JavaScript. */
function colouredSentences(text, evidence, strongest) {
  const characters = Array.from(text);
  const slice = (from, to) => characters.slice(from, to).join("");
  const parts = [];
  let done = 0;
  for (const found of [...evidence].sort((a, b) => a.start - b.start)) {
    if (found.start < done) continue; // nothing is shown twice
    parts.push(slice(done, found.start), movedSentence(slice(found.start, found.end), found.effect, strongest));
    done = found.end;
  }
  return [...parts, slice(done)];
}

function movedSentence(sentence, effect, strongest) {
  const direction = effect >= 0 ? "up" : "down";
  const points = `${effect >= 0 ? "+" : "−"}${Math.abs(effect).toFixed(1)}`;
  const spoken = `${effect >= 0 ? "raises" : "lowers"} by ${Math.abs(effect).toFixed(1)} percentage points`;
  const span = make(
    "span", { class: `moved ${direction}` }, sentence,
    make("span", { class: "effect", "aria-hidden": "true" }, points),
    make("span", { class: "out-of-sight" }, ` (${spoken})`),
  );
  span.style.setProperty("--strength", (0.1 + 0.4 * (Math.abs(effect) / strongest)).toFixed(2));
  return span;
}

/** turns: of the whole conversation, of which the curve may have fewer points, or none where it would take too long. */
function curveCard(trajectory, turns) {
  if (!trajectory) return card("Turn by turn", make("p", { id: "no-curve" }, `With ${turns.toLocaleString("en")} turns or sentences this conversation is too long for the curve here; the rest of the answer counts all of them.`));
  if (trajectory.length < 2) return null;
  const plot = make("div", { class: "plot", id: "trajectory" });
  const rows = trajectory.map((point) => [point.turn, capitalised(point.speaker), percent(point.probability)]);
  const columns = [{ title: "Turn", number: true }, { title: "Speaker" }, { title: "Probability", number: true }];
  const first = percent(trajectory[0].probability);
  const last = percent(trajectory.at(-1).probability);
  const section = card(
    "Turn by turn",
    trajectory.length < turns ? make("p", { class: "hint" }, `${trajectory.length} of ${turns} turns, evenly spread.`) : null,
    plot,
    make("details", {}, make("summary", {}, "Figures as a table"), make("div", { class: "scroll" }, table(columns, rows))),
  );
  const label = `The probability after each of ${trajectory.length} turns, from ${first} to ${last}; the figures follow as a table.`;
  // Drawn once it stands on the page and has a width.
  requestAnimationFrame(() => draw(plot, label, (colours) => curve(trajectory, colours), (colours) => curveLayout(colours, trajectory.length)).catch((error) => {
    clear(plot);
    plot.before(error.message);
  }));
  return section;
}

function curve(trajectory, colours) {
  return [{
    type: "scatter", mode: "lines+markers", x: trajectory.map((point) => point.turn),
    y: trajectory.map((point) => 100 * point.probability), text: trajectory.map((point) => capitalised(point.speaker).replaceAll("<", "‹")),
    hovertemplate: "turn %{x} %{text}: %{y:.0f} %<extra></extra>", line: { color: colours.series[0], width: 3 }, marker: { size: 8 },
  }];
}

function curveLayout(colours, points) {
  return {
    xaxis: { title: { text: "turn" }, tickformat: "d", rangemode: "tozero", ...(points <= 10 ? { dtick: 1 } : {}) }, yaxis: { title: { text: "probability, %" }, range: [0, 100] },
    shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 50, y1: 50, line: { color: colours.soft, width: 1, dash: "dot" } }],
  };
}

function signalsCard(analysis, predictionId) {
  const { key_indicators: good, risk_factors: risks, signals } = analysis;
  if (!good && !risks && !signals?.length) return null;
  return card(
    "Signals and risks",
    analysis.language_note ? make("p", { class: "hint", id: "language-note" }, analysis.language_note) : null,
    make("div", { class: "two" }, list("Signals", good ?? [], "None found."), list("Risks", risks ?? [], "None found.")),
    signals?.length ? make("details", { id: "mentions" }, make("summary", {}, `All ${signals.length} mentions${canLabel ? ", and which are wrong" : ""}`), mentions(signals, predictionId)) : null,
    canLabel ? missingSignal(predictionId) : null,
  );
}

function list(title, texts, none) {
  const content = texts.length ? make("ul", {}, texts.map((text) => make("li", {}, text))) : make("p", { class: "hint" }, none);
  return make("div", {}, make("h3", {}, title), content);
}

function mentions(signals, predictionId) {
  const columns = [{ title: "Signal" }, { title: "Speaks" }, { title: "Strength", number: true }, { title: "Words", words: true }, ...(canLabel ? [{ title: "Right?" }] : [])];
  const rows = signals.map((signal) => [
    words(signal.name),
    make("span", { class: `tag ${signal.polarity === "positive" ? "up" : "down"}` }, signal.polarity === "positive" ? "for" : "against"),
    percent(signal.strength),
    `“${signal.quote}”${signal.speaker ? ` – ${capitalised(signal.speaker)}` : ""}`,
    ...(canLabel ? [labelCell(predictionId, signal)] : []),
  ]);
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "All mentions of signals" }, table(columns, rows, { wide: true }));
}

function similarCard(similar, problem) {
  if (problem) return card("Similar past conversations", make("p", { class: "hint" }, problem));
  if (!similar?.length) return null;
  return card("Similar past conversations", make("ul", { class: "similar", id: "similar" }, similar.map(similarEntry)));
}

function similarEntry(found) {
  if (typeof found === "string") return make("li", {}, found);
  const side = { successful: "up", failed: "down" }[found.outcome] ?? "";
  return make(
    "li", {},
    make("span", { class: `tag ${side}` }, found.outcome ?? "open"),
    make("span", { class: "hint" }, `similarity ${found.similarity.toFixed(2)} · ${found.conversation_id}`),
    make("div", {}, found.excerpt),
  );
}
