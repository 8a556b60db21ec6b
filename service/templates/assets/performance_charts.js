// The charts of the dashboard, each with the same figures as a table for who can't see it.

import { clear, draw } from "./charts.js";
import { byId, moment, percent, table, words } from "./page.js";

const DRIFT_NAMES = 160; // pixels that the names of the fields take
const DRIFT_TEXT = 100; // and the longest word behind a bar

/** Draws every chart from an answer of GET /performance. */
export function drawCharts(found) {
  return Promise.all([outcomes(found), latency(found), statuses(found), calibration(found), drift(found)]);
}

/** One figure of the page: a chart and its table, or a sentence where there is nothing to show. */
async function show(name, { nothing, label, traces, layout, columns, rows }) {
  const figure = byId(name);
  const plot = figure.querySelector(".plot");
  figure.querySelector(".nothing").hidden = rows.length > 0;
  figure.querySelector(".nothing").textContent = nothing;
  figure.querySelector("details").hidden = rows.length === 0;
  if (rows.length === 0) return clear(plot);
  figure.querySelector("details div").replaceChildren(table(columns, rows));
  await draw(plot, label, traces, layout);
}

function outcomes(found) {
  const models = found.models.filter((model) => total(model.outcomes) > 0);
  const counts = (outcome) => models.map((model) => model.outcomes[outcome] ?? 0);
  const bar = (outcome, color) => ({ type: "bar", name: outcome, x: models.map((model) => words(model.model)), y: counts(outcome), marker: { color } });
  return show("outcomes", {
    nothing: "Nothing was predicted in this window.",
    label: `Predicted outcomes by model: ${models.map((model) => `${words(model.model)} ${model.outcomes.successful ?? 0} successful, ${model.outcomes.failed ?? 0} failed`).join("; ")}.`,
    traces: (colours) => [bar("successful", colours.up), { ...bar("failed", colours.down), marker: { color: colours.down, pattern: { shape: "/" } } }],
    layout: () => ({ barmode: "stack", yaxis: wholeNumbers(Math.max(...models.map((model) => total(model.outcomes)))) }),
    columns: [{ title: "Model" }, { title: "Successful", number: true }, { title: "Failed", number: true }],
    rows: models.map((model) => [words(model.model), model.outcomes.successful ?? 0, model.outcomes.failed ?? 0]),
  });
}

function latency(found) {
  const all = { model: "all models", latency: found.latency };
  const models = [...(found.models.length > 1 ? [all] : []), ...found.models].filter((model) => model.latency.p50_ms !== null);
  const quantiles = ["p50", "p95", "p99"];
  const bar = (quantile, n, colours) => ({
    type: "bar", name: quantile, x: models.map((model) => words(model.model)), y: models.map((model) => model.latency[`${quantile}_ms`]),
    marker: { color: colours.series[n] }, hovertemplate: "%{y:.1f} ms",
  });
  return show("latency", {
    nothing: "No single prediction was answered in this window.",
    label: `Latency in milliseconds: ${models.map((model) => `${words(model.model)} p50 ${fixed(model.latency.p50_ms)}, p95 ${fixed(model.latency.p95_ms)}, p99 ${fixed(model.latency.p99_ms)}`).join("; ")}.`,
    traces: (colours) => quantiles.map((quantile, n) => bar(quantile, n, colours)),
    layout: () => ({ barmode: "group", yaxis: { title: { text: "ms" }, rangemode: "tozero" } }),
    columns: [{ title: "Model" }, { title: "Predictions", number: true }, ...quantiles.map((title) => ({ title: `${title}, ms`, number: true }))],
    rows: models.map((model) => [words(model.model), model.latency.predictions, ...quantiles.map((quantile) => fixed(model.latency[`${quantile}_ms`]))]),
  });
}

function statuses(found) {
  const rows = Object.entries(found.statuses).sort();
  return show("statuses", {
    nothing: "No request came in this window.",
    label: `Answers by status: ${rows.map(([status, count]) => `${status}: ${count}`).join(", ")}.`,
    traces: (colours) => [{
      type: "bar", orientation: "h", x: rows.map(([, count]) => count), y: rows.map(([status]) => status), text: rows.map(([, count]) => String(count)),
      marker: { color: rows.map(([status]) => (status < "400" ? colours.up : status < "500" ? colours.soft : colours.down)) }, hoverinfo: "none",
    }],
    layout: () => ({ yaxis: { type: "category", autorange: "reversed" }, xaxis: wholeNumbers(Math.max(...rows.map(([, count]) => count))) }),
    columns: [{ title: "Status" }, { title: "Answers", number: true }],
    rows,
  });
}

function calibration(found) {
  const points = found.live.calibration;
  return show("calibration", {
    nothing: "No feedback came for the predictions of this window; send it to POST /feedback.",
    label: `Calibration: ${points.map((point) => `said ${percent(point.mean_probability)}, converted ${percent(point.share_successful)}`).join("; ")}.`,
    traces: (colours) => [
      { type: "scatter", mode: "lines", x: [0, 100], y: [0, 100], line: { color: colours.soft, dash: "dot" }, name: "perfect", hoverinfo: "skip" },
      {
        type: "scatter", mode: "lines+markers", name: "observed", x: points.map((point) => 100 * point.mean_probability), y: points.map((point) => 100 * point.share_successful),
        customdata: points.map((point) => point.conversations), hovertemplate: "said %{x:.0f} %, converted %{y:.0f} % of %{customdata}<extra></extra>",
        line: { color: colours.series[0], width: 3 }, marker: { size: 9 }, cliponaxis: false,
      },
    ],
    layout: () => ({ xaxis: { title: { text: "predicted, %" }, range: [-2, 102] }, yaxis: { title: { text: "converted, %" }, range: [-2, 102] } }),
    columns: [{ title: "Predicted" }, { title: "Mean", number: true }, { title: "Converted", number: true }, { title: "Conversations", number: true }],
    rows: points.map((point) => [`${percent(point.low)} to ${percent(point.high)}`, percent(point.mean_probability), percent(point.share_successful), point.conversations]),
  });
}

function drift(found) {
  const rows = found.models.flatMap((model) => [
    ...(model.score_drift ? [[words(model.model), "score", model.score_drift]] : []),
    ...Object.entries(model.context_drift).map(([field, value]) => [words(model.model), words(field), value]),
  ]);
  sayWhatItIsOf(found.models.filter((model) => model.drift_of));
  const several = new Set(rows.map(([model]) => model)).size > 1;
  const name = ([model, field]) => (several ? `${field} (${model})` : field);
  const lines = rows.flatMap((row, n) => (several && row[0] !== rows[n - 1]?.[0] ? [row[0], row] : [row])); // a model's name above its bars
  const places = lines.flatMap((line, n) => (Array.isArray(line) ? [n] : []));
  const length = (value) => (tells(value) ? value.psi : 0);
  const longest = Math.max(0.3, ...rows.map(([, , value]) => length(value)));
  return show("drift", {
    nothing: "Nothing was predicted in this window, or the served models kept no reference.",
    label: `Drift: ${rows.map((row) => `${name(row)} ${tells(row[2]) ? `${row[2].psi.toFixed(2)}, ` : ""}${levelText(row[2])}`).join("; ")}.`,
    traces: (colours) => [{
      type: "bar", orientation: "h", y: places, x: rows.map(([, , value]) => length(value)), text: rows.map(([, , value]) => levelText(value)), textposition: "outside", cliponaxis: false,
      marker: { color: rows.map(([, , value]) => (value.beyond_chance && value.level !== "stable" ? colours.down : colours.soft)) }, hovertemplate: "%{x:.2f}<extra></extra>",
    }],
    layout: (colours, width) => ({
      height: Math.max(260, 60 + 24 * lines.length), bargap: 0.35,
      yaxis: { range: [lines.length - 0.5, -0.5], showgrid: false, zeroline: false, tickvals: lines.map((_, n) => n), ticktext: lines.map((line) => (Array.isArray(line) ? line[1] : `<b>${line}</b>`)) },
      xaxis: { range: [0, longest / (1 - Math.min(0.7, DRIFT_TEXT / Math.max(1, width - DRIFT_NAMES)))], nticks: 4 },
      shapes: (rows.some(([, , value]) => tells(value)) ? [0.1, 0.25] : []).map((x) => ({ type: "line", layer: "below", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: colours.soft, width: 1, dash: "dot" } })),
    }),
    columns: [{ title: "Model" }, { title: "Of" }, { title: "Index", number: true }, { title: "By chance up to", number: true }, { title: "Told from", number: true }, { title: "Level" }],
    rows: rows.map(([model, field, value]) => [
      model, field, value.psi.toFixed(3), value.by_chance.toFixed(3), counted(value.fewest), levelText(value),
    ]),
  });
}

/** Of how many predictions the drift is, and from when to when, behind the chart's own note. */
function sayWhatItIsOf(models) {
  const hint = byId("drift").querySelector(".hint");
  hint.dataset.note ??= hint.textContent;
  const spans = models.map(({ model, drift_of: of }) => `${words(model)}: ${counted(of.predictions)}, ${moment(of.first_prediction_at)} to ${moment(of.last_prediction_at)}.`);
  hint.textContent = [hint.dataset.note, ...spans].join("\n");
}

/** Whether there were enough predictions to say how far a field has drifted. */
function tells(value) {
  return value.level !== "too few to tell";
}

function levelText(value) {
  return value.beyond_chance || !tells(value) ? value.level : "within chance";
}

/** An axis of counts up to `most`, whose ticks are whole numbers also where there are few. */
function wholeNumbers(most) {
  return { rangemode: "tozero", tickformat: ",d", ...(most < 10 && { dtick: 1 }) };
}

function counted(predictions) {
  return `${predictions} ${predictions === 1 ? "prediction" : "predictions"}`;
}

function fixed(value) {
  return value === null ? "–" : value.toFixed(1);
}

function total(counts) {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
