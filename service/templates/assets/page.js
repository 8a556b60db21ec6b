// What both pages share: asking the API, the key, and building elements. Text from anywhere becomes text nodes, never HTML.

const KEY = "sales-api-key"; // in sessionStorage: it goes with the tab
const waitingForKey = []; // what to do again with another key

takeKeyFromAddress();

export const byId = (id) => document.getElementById(id);

/** An element. Attributes as an object; children are elements or text, null ones left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A table with a header. Columns: {title, number, words, names}, `names` where it
 * names the row; rows: lists of text, numbers or elements. `wide`: see style.css. */
export function table(columns, rows, { caption = null, wide = false } = {}) {
  const kind = (column) => (column.number ? "number" : column.words ? "words" : null);
  const header = (column) => make("th", { scope: "col", role: "columnheader", class: kind(column) }, column.title);
  const role = (column) => (column.names ? ["th", { scope: "row", role: "rowheader" }] : ["td", { role: "cell" }]);
  const cell = (content, column) => {
    const [tag, attributes] = role(column);
    return make(tag, { ...attributes, class: kind(column), "data-title": column.title }, content ?? "–");
  };
  const group = (tag, lines) => make(tag, { role: "rowgroup" }, lines.map((cells) => make("tr", { role: "row" }, cells)));
  return make(
    "table", { role: "table", class: wide ? "wide" : null }, caption && make("caption", {}, caption),
    group("thead", [columns.map(header)]), group("tbody", rows.map((row) => row.map((content, n) => cell(content, columns[n])))),
  );
}

export function card(title, ...content) {
  return make("section", { class: "card" }, make("h2", {}, title), ...content);
}

export class ApiProblem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The JSON of an answer. Throws ApiProblem with the API's own sentence. */
export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  const key = storedKey();
  if (key) headers.set("X-API-Key", key);
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiProblem(0, "The service can't be reached; is it running?");
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  throw new ApiProblem(answer.status, body?.error?.message ?? `The service answered with status ${answer.status}.`);
}

export function post(path, content) {
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
}

/** The file's bytes as the body; what it is the server finds out. A list in `query` becomes a parameter for each of its items. */
export function upload(path, content, name, query = {}) {
  const search = new URLSearchParams({ name });
  for (const [parameter, values] of Object.entries(query)) [values].flat().forEach((value) => search.append(parameter, value));
  const headers = { "Content-Type": "application/octet-stream" };
  return ask(`${path}?${search}`, { method: "POST", headers, body: content });
}

/** Shows an error where people look for it, and the key form where a key would help. */
export function showProblem(element, error) {
  element.textContent = error ? error.message : "";
  element.hidden = !error;
  if (error?.status === 401 || (error?.status === 403 && storedKey())) askForKey(error.message);
}

export function askForKey(reason) {
  byId("key-reason").textContent = reason;
  byId("key-form").hidden = false;
}

/** Calls `again` once a key was entered; each part of a page may ask for it. */
export function onKey(again) {
  waitingForKey.push(again);
  if (waitingForKey.length > 1) return;
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, byId("key").value.trim());
    byId("key").value = "";
    byId("key-form").hidden = true;
    document.querySelector("main").focus(); // what had the focus is gone
    waitingForKey.forEach((one) => one());
  });
}

/** Names come in small letters. */
export function capitalised(name) {
  return (name ?? "").replace(/(^|\s)\S/g, (letter) => letter.toUpperCase());
}

/** Sentences in a list, which is hidden where there are none. */
export function showNotices(list, sentences) {
  list.replaceChildren(...(sentences ?? []).map((sentence) => make("li", {}, sentence)));
  list.hidden = !sentences?.length;
}

/** Who speaks in a turn: the recorder's name, with the side where it is known and the name has no brackets; "" for nobody. */
export function speakerOf({ name, speaker }) {
  if (!name) return capitalised(speaker);
  return ["seller", "customer"].includes(speaker) && !name.endsWith(")") ? `${name} (${speaker})` : name;
}

export function percent(share, digits = 0) {
  return `${(100 * share).toFixed(digits)}\u00a0%`; // not parted at the end of a line
}

export function moment(written) {
  return new Date(written).toLocaleString();
}

export function words(name) {
  return String(name).replaceAll("_", " ");
}

function storedKey() {
  return sessionStorage.getItem(KEY);
}

/** A link may bring the key behind `#key=`, which no browser sends; it is taken out of the address at once. */
function takeKeyFromAddress() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!key) return;
  sessionStorage.setItem(KEY, key);
  history.replaceState(null, "", location.pathname + location.search);
}
