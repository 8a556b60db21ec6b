// The section "Trials" of /dashboard: /experiments as a table, with each interval drawn around zero.

import { ask, make, moment, table, words } from "./page.js";

const COLUMNS = [{ title: "Model" }, { title: "Trial" }, { title: "Deals", number: true }, { title: "Log loss", number: true }, { title: "Difference" }, { title: "What it says", words: true }];
const NARROWEST = 0.05; // what the drawn scale reaches to on either side of zero at least

/** Fills `place`; `problem` is shown in its stead where there is none. Throws ApiProblem. */
export async function refreshTrials(place, problem, signal) {
  const { experiments } = await ask("/experiments", { signal });
  const reach = Math.max(NARROWEST, ...experiments.flatMap((one) => [...(one.interval ?? []), one.difference ?? 0].map(Math.abs)));
  problem.textContent = "No version is on trial; POST /models/{type}/trial begins one.";
  problem.hidden = experiments.length > 0;
  place.replaceChildren(...(experiments.length ? [table(COLUMNS, experiments.map((one) => row(one, reach)), { wide: true })] : []));
}

function row(one, reach) {
  return [words(one.model), versions(one), deals(one), losses(one), difference(one, reach), verdict(one)];
}

function versions(one) {
  const kind = one.role === "split" ? `split, ${one.share} % of the deals` : "shadow";
  return make("span", {}, `${one.challenger} against ${one.champion}`, make("span", { class: "hint" }, kind));
}

function deals(one) {
  const parts = one.role === "split" ? `${one.champion_deals} + ${one.challenger_deals}, ` : "";
  return make("span", {}, one.deals.toLocaleString("en"), make("span", { class: "hint" }, `${parts}${one.waiting} open`));
}

function losses(one) {
  if (one.champion_loss === null || one.challenger_loss === null) return null;
  return make("span", {}, one.challenger_loss.toFixed(3), make("span", { class: "hint" }, `champion ${one.champion_loss.toFixed(3)}`));
}

function difference(one, reach) {
  if (one.difference === null) return null;
  const said = one.interval ? `${signed(one.difference)} (${one.interval.map(signed).join(" to ")})` : signed(one.difference);
  return make("span", {}, said, one.interval ? drawn(one, reach) : null);
}

/** Left of the middle the challenger is better. */
function drawn({ difference: mean, interval: [low, high], decided }, reach) {
  const at = (value) => `${50 + (50 * value) / reach}%`;
  const line = make("span", { class: "line" });
  const dot = make("span", { class: "dot" });
  Object.assign(line.style, { left: at(low), width: `${(50 * (high - low)) / reach}%` });
  dot.style.left = at(mean);
  const kind = decided === "challenger" ? "up" : decided === "champion" ? "down" : "";
  return make("span", { class: `difference ${kind}`, "aria-hidden": "true" }, make("span", { class: "inside" }, make("span", { class: "zero" }), line, dot));
}

function verdict(one) {
  const since = one.until === null ? `since ${moment(one.since)}` : `${one.ended}, ${moment(one.until)}`;
  return make("span", {}, one.sentence, make("span", { class: "hint" }, since));
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}
