// The page /deals/lost: GET /deals/lost by month and by rival.

import { ask, byId, card, make, onKey, showNotices, showProblem, table } from "./page.js";

onKey(show);
show();

async function show() {
  showProblem(byId("problem"), null);
  try {
    showLost(await ask("/deals/lost"));
    byId("status").textContent = "";
  } catch (error) {
    byId("status").textContent = "";
    showProblem(byId("problem"), error);
  }
}

function showLost(found) {
  const notices = make("ul", { class: "notices", "aria-label": "What is not known" });
  showNotices(notices, found.notices);
  const nothing = found.deals ? null : card("No lost deal yet", make("p", {}, "A deal is lost once feedback for one of its predictions says failed: ", make("code", {}, "POST /feedback"), "."));
  byId("lost").replaceChildren(...[nothing, notices, ...found.months.map(month), found.deals ? rivals(found.rivals) : null].filter(Boolean));
  byId("lost").hidden = false;
}

function month({ month: name, deals, without_reason: without, reasons }) {
  const title = `${new Date(`${name}-15`).toLocaleDateString(undefined, { month: "long", year: "numeric" })}: ${count(deals)} lost`;
  const columns = [{ title: "Reason", names: true }, { title: "Deals", number: true }, { title: "In their words", words: true }];
  const rows = reasons.map((one) => [one.title, one.deals, quotes(one.quotes)]);
  return card(title, rows.length ? table(columns, rows, { wide: true }) : null, without ? make("p", { class: "hint" }, `Of ${count(without)} nothing against it was found.`) : null);
}

function rivals(found) {
  if (!found.length) return card("By competitor", make("p", { class: "empty" }, "No word of a competitor was found in them."));
  const columns = [{ title: "Competitor", names: true }, { title: "Deals", number: true }, { title: "In their words", words: true }];
  return card("By competitor", table(columns, found.map((one) => [one.rival ?? "not named", one.deals, quotes(one.quotes)]), { wide: true }));
}

function count(deals) {
  return `${deals.toLocaleString("en")} ${deals === 1 ? "deal" : "deals"}`;
}

function quotes(said) {
  if (!said.length) return null;
  return make("ul", { class: "quotes" }, said.map((one) => make(
    "li", {}, make("q", {}, one.quote), " ", make("a", { href: `/deals/${encodeURIComponent(one.deal_id)}`, class: "hint" }, one.deal_id))));
}
