// Which column of a table is what, and which words mean won and lost, as a person says it for a file.

import { byId, make } from "./page.js";

const HEAD = 65536; // bytes in which the names of columns stand

/** The panel of a form: `query` as the API takes it, `suggest` for a new file, `open` where the file was not understood. */
export function columnsPanel(form) {
  const panel = byId(`${form}-columns`);
  const fields = (kind) => [...panel.querySelectorAll(`[data-${kind}]`)];
  let names = [];
  let suggestedFor = null;
  const forgetOthers = () => {
    for (const field of fields("column")) if (!names.some((name) => name.toLowerCase() === field.value.trim().toLowerCase())) field.value = "";
  };
  return {
    query() {
      const column = fields("column").filter((field) => field.value.trim()).map((field) => `${field.dataset.column}=${field.value.trim()}`);
      const words = (field) => field.value.split(",").map((word) => word.trim()).filter(Boolean);
      return { column, ...Object.fromEntries(fields("outcome").map((field) => [field.dataset.outcome, words(field)])) };
    },
    /** Offers a file's columns; what was said of another file's goes, where it can be told. */
    async suggest(file) {
      const head = await file.slice(0, HEAD).text();
      names = columnNames(head);
      if (file !== suggestedFor && !head.includes("\0")) forgetOthers();
      suggestedFor = file;
      byId(`${form}-column-names`).replaceChildren(...names.map((name) => make("option", { value: name })));
    },
    open() {
      if (names.length > 1) panel.open = true;
    },
  };
}

/** For suggestions only: the server reads the file by itself, and knows many more kinds. */
function columnNames(head) {
  const text = head.replace(/^\ufeff/, "").trimStart();
  if (text.includes("\0")) return []; // not a text
  if (text.startsWith("[") || text.startsWith("{")) return keysOf(text);
  const lines = text.split(/\r?\n/).filter((line) => line.trim() && !/^sep=.$/i.test(line.trim()));
  return lines.length > 1 ? cellsOf(lines[0]) : [];
}

function keysOf(text) {
  for (const part of [text, text.split("\n", 1)[0]]) {
    try {
      const record = [JSON.parse(part)].flat()[0];
      return record && typeof record === "object" ? Object.keys(record) : [];
    } catch {
      continue; // longer than its head, or lines
    }
  }
  return [];
}

function cellsOf(line) {
  const counts = [",", ";", "\t", "|"].map((sign) => [line.split(sign).length, sign]);
  const sign = counts.reduce((most, one) => (one[0] > most[0] ? one : most))[1];
  const cells = [""];
  let quoted = false;
  for (const character of line) {
    if (character === '"') quoted = !quoted;
    else if (character === sign && !quoted) cells.push("");
    else cells[cells.length - 1] += character;
  }
  return cells.map((cell) => cell.trim()).filter(Boolean);
}
