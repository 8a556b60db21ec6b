// Who talked how much: `analysis.talk` of an answer as bars and figures. Nothing here moves the probability.

import { card, make, percent, speakerOf, table } from "./page.js";

/** null where the answer has no talk figures: a note, or turns of nobody. */
export function talkCard(talk, inferred) {
  if (!talk) return null;
  const bySides = talk.seller && talk.customer;
  const rows = talk.speakers.map((one) => rowOf(one, talk));
  const each = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Each speaker" }, table(COLUMNS, rows, { wide: true }));
  const named = talk.speakers.some((one) => one.name) || talk.speakers.length > 2;
  return card(
    "How they talked",
    make("p", { class: "hint" }, hintOf(talk, inferred)),
    bySides ? sidesBar(talk) : null,
    make("dl", { class: "tiles", id: "talk-figures" }, figuresOf(talk).map(([name, value, note]) => make("div", {}, make("dt", {}, name), make("dd", {}, value), note && make("dd", { class: "hint" }, note)))),
    !bySides ? each : named ? make("details", {}, make("summary", {}, "Each speaker"), each) : null,
  );
}

const COLUMNS = [{ title: "Speaker", names: true }, { title: "0 to 100 %" }, { title: "Share", number: true }, { title: "Longest monologue", number: true }, { title: "Questions", number: true }, { title: "Words", number: true }];

function hintOf(talk, inferred) {
  const measured = talk.measured_by === "time" ? "By time; silence counts for nobody." : "By words, as not every turn has a time that can be true.";
  const who = !talk.seller ? " It is not known who of them sells." : inferred ? " Who sells was found from the words." : "";
  return `${measured}${who} For people to compare: no figure here is a part of the probability.`;
}

/** One bar, the seller's share from the left, the customer's from the right; between them those of whom no side is known. */
function sidesBar(talk) {
  const { seller, customer } = talk;
  const parts = [["seller", "Seller", seller.share], ["others", "Others", Math.max(0, 1 - seller.share - customer.share)], ["customer", "Customer", customer.share]];
  const shown = parts.filter(([side, , share]) => side !== "others" || share >= 0.005);
  const spoken = shown.map(([, title, share]) => `${title} ${percent(share)}`).join(", ");
  const bar = shown.map(([side, , share]) => {
    const part = make("span", { class: side });
    part.style.flexGrow = share;
    return part;
  });
  const legend = shown.map(([side, title, share]) => make("li", {}, make("span", { class: `key ${side}`, "aria-hidden": "true" }), `${title} `, make("strong", {}, percent(share))));
  return make("div", { class: "talk" }, make("div", { class: "talk-bar", role: "img", "aria-label": spoken }, bar), make("ul", { class: "talk-legend" }, legend));
}

/** [name, value, note], those that are known. */
function figuresOf(talk) {
  const { seller, customer, speakers } = talk;
  const rate = talk.interactivity.toFixed(1);
  const found = [];
  if (seller) found.push(["Longest monologue", length(seller.longest_monologue, talk), customer ? `seller; customer ${length(customer.longest_monologue, talk)}` : "seller"]);
  if (seller && seller.questions !== null) found.push(["Questions of the seller", seller.questions, customer ? `customer ${customer.questions}` : null]);
  if (talk.patience !== null) found.push(["Patience", `${talk.patience.toFixed(1)}\u00a0s`, "until the seller answers"]);
  found.push(["Interactivity", rate, `changes of speaker ${talk.minutes === null ? "for each 1,000 words" : "a minute"}`]);
  if (talk.minutes !== null) found.push(["Length", length(60 * talk.minutes, talk), `${speakers.length} ${speakers.length === 1 ? "speaker" : "speakers"}`]);
  return found;
}

function rowOf(one, talk) {
  const bar = make("div", { class: `share-bar ${one.speaker === "seller" ? "seller" : "customer"}`, "aria-hidden": "true" }, make("span", {}));
  bar.firstChild.style.width = `${100 * one.share}%`;
  return [speakerOf(one) || "Unnamed", bar, percent(one.share), length(one.longest_monologue, talk), one.questions, one.words.toLocaleString("en")];
}

function length(value, talk) {
  if (talk.measured_by === "words") return `${value.toLocaleString("en")}\u00a0words`;
  const seconds = Math.round(value);
  return seconds < 60 ? `${seconds}\u00a0s` : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
