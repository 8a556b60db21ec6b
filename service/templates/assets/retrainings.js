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
    { title: "When" }, { title: "Model" }, { title: "Decision" }, { title: "Version" }, { title: "New outcomes", number: true },
    { title: "Held out", number: true }, { title: "Loss before", number: true }, { title: "Loss after", number: true },
    { title: "Difference, 95 %", number: true }, { title: "Why", words: true }, { title: "Started by", words: true },
  ];
  const rows = retrainings.map((one) => [
    moment(one.decided_at), words(one.model), make("span", { class: `tag ${TONES[one.decision] ?? ""}` }, one.decision),
    one.promoted_version ?? one.champion_version, one.new_outcomes, one.held_out, nats(one.champion_loss),
    nats(one.challenger_loss), difference(one), one.reason, one.started_by,
  ]);
  return table(columns, rows, { wide: true });
}

function nats(value) {
  return value === null ? null : value.toFixed(3);
}

function difference(one) {
  return one.difference === null ? null : `${signed(one.difference)} (${signed(one.interval_low)} to ${signed(one.interval_high)})`;
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}
