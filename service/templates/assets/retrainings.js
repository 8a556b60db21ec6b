// The dashboard's table of retrainings: what was decided about each challenger, and by which figures.

import { ask, byId, make, moment, table, words } from "./page.js";

const SHOWN = 10;
const TONES = { promoted: "up", refused: "down" };

/** Raises what `ask` raises, such as where the caller may not see them. */
export async function refreshRetrainings(signal) {
  const { retrainings } = await ask(`/retrainings?limit=${SHOWN}`, { signal });
  const problem = byId("retrainings-problem");
  problem.hidden = retrainings.length > 0;
  problem.textContent = "None yet: python main.py --mode retrain learns from deals whose outcome came back.";
  byId("retrainings").replaceChildren(...(retrainings.length ? [retrainingTable(retrainings)] : []));
}

function retrainingTable(retrainings) {
  const columns = [
    { title: "When" }, { title: "Model" }, { title: "Decision" }, { title: "Serving" }, { title: "Outcomes", number: true },
    { title: "Log loss", number: true }, { title: "Difference, 95\u00a0%", number: true }, { title: "Why", words: true },
  ];
  const rows = retrainings.map((one) => [
    moment(one.decided_at), words(one.model), make("span", { class: `tag ${TONES[one.decision] ?? ""}` }, one.decision),
    one.promoted_version ?? one.champion_version, `${one.new_outcomes}, ${one.held_out} held out`, losses(one), difference(one),
    `${one.reason} Started by: ${one.started_by}.`,
  ]);
  return table(columns, rows, { wide: true });
}

function losses(one) {
  return one.difference === null ? null : `${one.champion_loss.toFixed(3)} → ${one.challenger_loss.toFixed(3)}`;
}

function difference(one) {
  return one.difference === null ? null : `${signed(one.difference)} (${signed(one.interval_low)} to ${signed(one.interval_high)})`;
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}
