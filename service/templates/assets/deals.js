// The page /deals: the open deals of GET /deals, ranked; what is chosen stands in the page's address.

import { ask, byId, make, onKey, percent, showProblem, table } from "./page.js";
import { sparkline } from "./sparkline.js";
import "./suggestions.js";

const PAGE = 50;
const WARNINGS = 2; // in a row
const SEVERITIES = ["high", "medium", "low"];
let asking = null; // the AbortController of the request under way
let total = 0;

const chosen = new URLSearchParams(location.search);
byId("text").value = chosen.get("text") ?? "";
byId("group").value = chosen.get("group") ?? "";
byId("warned").checked = chosen.get("warned") === "true";
byId("sort").value = [...byId("sort").options].some((one) => one.value === chosen.get("sort")) ? chosen.get("sort") : "probability";
let offset = Math.max(0, Number.parseInt(chosen.get("offset"), 10) || 0);

byId("filter-form").addEventListener("submit", (event) => {
  event.preventDefault();
  from(0);
});
for (const id of ["sort", "warned"]) byId(id).addEventListener("change", () => from(0));
byId("previous").addEventListener("click", () => turn(-PAGE));
byId("next").addEventListener("click", () => turn(PAGE));
onKey(show);
show();

function from(place) {
  offset = Math.max(0, place);
  show();
}

function turn(by) {
  if (offset + by < 0 || offset + by >= total) return;
  from(offset + by);
  scrollTo({ top: 0 });
}

async function show() {
  asking?.abort();
  const mine = (asking = new AbortController());
  const search = query();
  history.replaceState(null, "", search.size ? `?${search}` : location.pathname);
  showProblem(byId("problem"), null);
  byId("count").textContent = "Reading …";
  try {
    const page = await ask(`/deals?${new URLSearchParams({ ...Object.fromEntries(search), limit: PAGE })}`, { signal: mine.signal });
    showPage(page);
  } catch (error) {
    if (error.name === "AbortError") return;
    byId("count").textContent = "";
    for (const id of ["pipeline", "none", "paging"]) byId(id).hidden = true;
    showProblem(byId("problem"), error);
  }
}

/** What differs from the page as it opens. */
function query() {
  const search = new URLSearchParams();
  const given = { text: byId("text").value.trim(), group: byId("group").value.trim() };
  for (const [name, value] of Object.entries(given)) if (value) search.set(name, value);
  if (byId("warned").checked) search.set("warned", "true");
  if (byId("sort").value !== "probability") search.set("sort", byId("sort").value);
  if (offset) search.set("offset", offset);
  return search;
}

function showPage(page) {
  total = page.total;
  const { deals } = page;
  const isChoosing = Boolean(byId("text").value.trim() || byId("group").value.trim() || byId("warned").checked);
  byId("none").hidden = total > 0;
  byId("none-heading").textContent = isChoosing ? "No open deal is like that" : "No open deal yet";
  byId("none-how").hidden = isChoosing;
  byId("pipeline").hidden = !deals.length;
  byId("pipeline").replaceChildren(deals.length ? pipeline(deals) : "");
  const groups = [...new Set(deals.map((one) => one.group).filter(Boolean))].sort();
  byId("groups").replaceChildren(...groups.map((group) => make("option", { value: group })));
  byId("count").textContent = total ? `${total.toLocaleString("en")} open ${total === 1 ? "deal" : "deals"}${isChoosing ? " chosen" : ""}` : "";
  byId("paging").hidden = total <= PAGE;
  byId("place").textContent = deals.length ? `${offset + 1} to ${offset + deals.length} of ${total.toLocaleString("en")}` : "Beyond the last";
  byId("previous").setAttribute("aria-disabled", String(offset === 0));
  byId("next").setAttribute("aria-disabled", String(offset + PAGE >= total));
}

function pipeline(deals) {
  const columns = [
    { title: "Deal", names: true }, { title: "Probability", number: true }, { title: "Change", number: true },
    { title: "Over time" }, { title: "Last heard" }, { title: "Next step", words: true }, { title: "Warnings", words: true },
  ];
  const shown = table(columns, deals.map(row), { caption: "Open deals", wide: true });
  shown.classList.add("pipeline");
  shown.querySelector("caption").className = "out-of-sight";
  for (const line of shown.tBodies[0].rows) line.addEventListener("click", openRow);
  return shown;
}

/** The link in a row is for keyboards and screen readers; a click anywhere in the row does the same. */
function openRow(event) {
  if (event.target.closest("a") || String(getSelection())) return;
  event.currentTarget.querySelector("a").click();
}

function row(deal) {
  const name = make("a", { href: `/deals/${encodeURIComponent(deal.deal_id)}`, class: "deal-link" }, deal.deal_id);
  return [
    make("span", {}, name, deal.group ? make("span", { class: "hint group" }, deal.group) : null),
    probability(deal), change(deal.change), deal.curve.length ? sparkline(deal.curve) : null, lastHeard(deal),
    deal.next_step, warnings(deal.warnings),
  ];
}

function probability(deal) {
  const side = deal.probability >= 0.5 ? "up" : "down";
  const band = deal.band ? make("span", { class: "band", title: "Band: A is the quarter of the highest probabilities" }, make("span", { class: "out-of-sight" }, "band "), deal.band) : null;
  return make("span", { class: "probability" }, make("strong", { class: side }, percent(deal.probability)), band);
}

function change(value) {
  const points = value === null || value === undefined ? null : Math.round(100 * value);
  if (points === null) return make("span", { class: "hint" }, "first");
  if (points === 0) return make("span", { class: "hint" }, "±0");
  const words = `${points > 0 ? "up" : "down"} ${Math.abs(points)} percentage points`;
  return make(
    "span", { class: `change ${points > 0 ? "up" : "down"}` },
    make("span", { "aria-hidden": "true" }, `${points > 0 ? "▲" : "▼"}\u00a0${Math.abs(points)}`), make("span", { class: "out-of-sight" }, words),
  );
}

function lastHeard(deal) {
  if (!deal.last_day) return make("span", { class: "hint" }, "no date");
  const days = Math.round((Date.parse(new Date().toISOString().slice(0, 10)) - Date.parse(deal.last_day)) / 86_400_000);
  const ago = days === 0 ? "today" : days === 1 ? "yesterday" : days > 1 ? `${days} days ago` : deal.last_day;
  return make("time", { datetime: deal.last_day, title: deal.last_day }, ago);
}

/** The gravest at a glance; the deal's own page has them all. */
function warnings(found) {
  if (!found.length) return make("span", { class: "hint" }, "none");
  const gravest = [...found].sort((one, other) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity));
  const items = gravest.slice(0, WARNINGS).map(({ severity, sentence }) =>
    make("li", { class: severity }, make("span", { class: "out-of-sight" }, `${severity}: `), sentence));
  const more = found.length - items.length;
  return make("ul", { class: "warnings" }, items, more > 0 ? make("li", { class: "more hint" }, `and ${more} more`) : null);
}
