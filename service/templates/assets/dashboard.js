// The page /dashboard: /performance as tiles and charts, /models, and the last predictions of /logs, again and again.

import { drawCharts } from "./performance_charts.js";
import { refreshTrials } from "./trials.js";
import { refreshRetrainings } from "./retrainings.js";
import "./suggestions.js";
import { ask, askForKey, byId, make, moment, onKey, percent, showProblem, table, words } from "./page.js";

const REFRESH_MILLISECONDS = 10_000;
const LAST_PREDICTIONS = 20;
let timer = null;
let asking = null; // the AbortController of the refresh under way

byId("window-form").addEventListener("submit", (event) => {
  event.preventDefault();
  refresh();
});
byId("hours").addEventListener("change", refresh);
byId("refreshing").addEventListener("change", schedule);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
onKey(refresh);
refresh();

/** Asks for everything once. One part that fails, such as a log that is not for this caller, leaves the others. */
async function refresh() {
  asking?.abort();
  const mine = (asking = new AbortController());
  const { signal } = mine;
  try {
    const parts = [refreshPerformance(signal), refreshModels(signal), refreshWithKey(signal)];
    const problem = (await Promise.allSettled(parts)).map((part) => part.reason).find((reason) => reason && reason.name !== "AbortError");
    if (mine === asking) showProblem(byId("problem"), problem ?? null);
  } finally {
    if (mine === asking) schedule();
  }
}

function schedule() {
  clearTimeout(timer);
  if (byId("refreshing").checked && !document.hidden) timer = setTimeout(refresh, REFRESH_MILLISECONDS);
}

async function refreshPerformance(signal) {
  const found = await ask(`/performance?hours=${byId("hours").value}`, { signal });
  byId("tiles").replaceChildren(...tiles(found).map(([name, value, more]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value), more ? make("dd", { class: "hint" }, more) : null)));
  byId("updated").textContent = `Updated at ${new Date().toLocaleTimeString()}.`;
  await drawCharts(found);
}

function tiles(found) {
  const { live, latency, resources } = found;
  const share = found.requests ? percent(found.errors / found.requests, 1) : "–";
  const interval = live.accuracy_interval && `95 % interval ${percent(live.accuracy_interval[0])} to ${percent(live.accuracy_interval[1])}`;
  return [
    ["Requests", whole(found.requests), null],
    ["Errors", share, `${whole(found.errors)}, of them ${whole(found.server_errors)} the service's own`],
    ["Predictions", whole(found.predictions), `${whole(found.outcomes.successful ?? 0)} expected to convert`],
    ["Latency p95", milliseconds(latency.p95_ms), `p50 ${milliseconds(latency.p50_ms)}, p99 ${milliseconds(latency.p99_ms)}`],
    ["Live accuracy", live.accuracy === null ? "–" : percent(live.accuracy), interval ?? "no feedback yet"],
    ["Brier score", live.brier === null ? "–" : live.brier.toFixed(3), `${whole(live.feedback)} with feedback`],
    ["Processor", `${resources.cpu_percent.toFixed(0)} %`, `of one core, ${resources.workers} ${resources.workers === 1 ? "worker" : "workers"}`],
    ["Memory", `${Math.round(resources.memory_bytes / 1048576)} MB`, "all workers"],
    ["Uptime", duration(resources.uptime_seconds), null],
  ];
}

async function refreshModels(signal) {
  const found = await ask("/models", { signal });
  const columns = [{ title: "Model" }, { title: "Version" }, { title: "Trained" }, { title: "Loaded", number: true }, { title: "Log loss", number: true }, { title: "State", words: true }];
  const rows = found.models.flatMap((model) => [modelRow(model, found), ...(model.versions ?? []).filter((one) => !one.served).map((one) => versionRow(model.title, one))]);
  byId("models").replaceChildren(table(columns, rows, { wide: true }));
}

function modelRow(model, found) {
  const state = model.problem ?? (model.trained ? (model.auto ? "served, and what auto means" : "served") : "not trained");
  const age = model.age_seconds === null ? null : `${duration(model.age_seconds)} ago`;
  return [model.title, model.version, age, `${model.loaded_by} of ${found.workers}`, logLoss(model.cross_validation_metrics), state];
}

function versionRow(title, version) {
  const trained = new Date(version.created_at);
  return [title, version.version, `${duration((Date.now() - trained) / 1000)} ago`, null, logLoss(version.cross_validation_metrics), (version.on_trial ? "on trial" : "kept") + (version.newest ? ", the newest" : "")];
}

function logLoss(metrics) {
  return metrics?.log_loss === undefined ? null : metrics.log_loss.toFixed(3);
}

/** The log, the trials and the retrainings are management data: where the caller may not see them, the page says so and
 * offers the field for a key. */
async function refreshWithKey(signal) {
  try {
    await Promise.all([refreshLog(signal), refreshTrials(byId("trials"), byId("trials-problem"), signal), refreshRetrainings(signal)]);
  } catch (error) {
    if (error.status !== 401 && error.status !== 403) throw error;
    for (const name of ["log", "trials", "retrainings"]) {
      byId(name).replaceChildren();
      byId(`${name}-problem`).textContent = error.message;
      byId(`${name}-problem`).hidden = false;
    }
    askForKey(error.message);
  }
}

async function refreshLog(signal) {
  const problem = byId("log-problem");
  const page = await ask(`/logs?limit=${LAST_PREDICTIONS}`, { signal });
  problem.hidden = page.predictions.length > 0;
  problem.textContent = "Nothing is stored yet.";
  byId("log").replaceChildren(...(page.predictions.length ? [logTable(page.predictions)] : []));
}

function logTable(predictions) {
  const columns = [{ title: "When" }, { title: "Model" }, { title: "Probability", number: true }, { title: "Expected" }, { title: "Ended" }, { title: "ms", number: true }, { title: "Transcript", words: true }];
  const rows = predictions.map((one) => [
    moment(one.created_at), words(one.model), percent(one.probability, 1), outcome(one.outcome), outcome(one.actual_outcome),
    one.latency_ms.toFixed(0), one.transcript ? shortened(one.transcript) : null,
  ]);
  return table(columns, rows, { wide: true });
}

function outcome(name) {
  return name ? make("span", { class: `tag ${name === "successful" ? "up" : "down"}` }, name) : null;
}

function shortened(text) {
  const characters = Array.from(text.replace(/\s+/g, " "));
  return characters.length > 120 ? `${characters.slice(0, 119).join("")}…` : characters.join("");
}

function whole(count) {
  return count.toLocaleString("en");
}

function milliseconds(value) {
  return value === null ? "–" : `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

function duration(seconds) {
  const steps = [[86400, "d"], [3600, "h"], [60, "min"]];
  const [length, unit] = steps.find(([one]) => seconds >= 2 * one) ?? [1, "s"];
  return `${Math.floor(seconds / length)} ${unit}`;
}
