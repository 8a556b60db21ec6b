// The page /app: a conversation in, its answer out; and a file in, its ranking out.

import { answerCards } from "./answer.js";
import { columnsPanel } from "./columns.js";
import { takeDroppedFiles } from "./dropping.js";
import { ask, byId, make, onKey, percent, post, showNotices, showProblem, speakerOf, table, upload } from "./page.js";
import { hear, isRecording } from "./recordings.js";
import { markSignals, showSignals } from "./signals.js";

const SHOWN_AT_ONCE = 200; // rows of a ranking; the CSV holds them all
const CURVE_POINTS = 60;
const CURVE_TURNS = 600; // of more, even so many points take longer than about two seconds
const SAMPLE = {
  transcript:
    "Agent: Thanks for making the time. How did the pilot go?\n" +
    "Customer: Better than we hoped. The team saved two days at month end.\n" +
    "Agent: Good to hear. What is left to settle?\n" +
    "Customer: The price is too high for some of us, and finance asked about other vendors.\n" +
    "Agent: I can send a proposal with the reduced scope today.\n" +
    "Customer: Do that. The budget is approved, and I would like to start next month.",
  context: { company_size: "mid-market", industry: "logistics", contact_role: "Head of Procurement", urgency: "high", budget_authority: "decision_maker" },
};

const columnsToRead = columnsPanel("read");
const columnsToRank = columnsPanel("rank");
let uploaded = null; // the conversations of the chosen file
let lastTry = null; // what to do again once a key was entered

byId("predict-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(byId("predict"), byId("problem"), byId("status"), predict);
});
for (const [id, kind] of [["conversation-file", "change"], ["read-again", "click"]]) {
  byId(id).addEventListener(kind, () => attempt(byId("predict"), byId("problem"), byId("status"), readFile));
}
byId("rank-file").addEventListener("change", () => columnsToRank.suggest(byId("rank-file").files[0] ?? new Blob()));
takeDroppedFiles("conversation-file", "rank-file");
byId("remove-file").addEventListener("click", () => {
  removeFile();
  byId("transcript").focus();
});
byId("which-conversation").addEventListener("change", takeOverContext);
byId("sample").addEventListener("click", fillInSample);
byId("rank-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(byId("rank"), byId("rank-problem"), byId("rank-status"), rank);
});
onKey(() => {
  markModels();
  showSignals();
  lastTry?.();
});
markModels();

/** Runs one action of the page: its button waits, its error is shown, and it can be done again with a key. */
async function attempt(button, problem, status, action) {
  if (button.getAttribute("aria-disabled") === "true") return;
  lastTry = () => attempt(button, problem, status, action);
  button.setAttribute("aria-disabled", "true"); // not `disabled`, by which it would lose the focus
  showProblem(problem, null);
  try {
    status.textContent = await action(status);
    lastTry = null;
  } catch (error) {
    status.textContent = "";
    showProblem(problem, error);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

async function predict(status) {
  status.textContent = "Reading the conversation …";
  if (!uploaded && byId("conversation-file").files.length && !byId("transcript").value.trim()) await readFile(status);
  const conversation = uploaded ? chosenConversation() : await readPasted();
  status.textContent = "Predicting …";
  const withCurve = conversation.trajectory_turns <= CURVE_TURNS;
  const deal = putToDeal(conversation);
  const answer = await post("/predict", {
    ...(conversation.turns ? { turns: conversation.turns } : { transcript: conversation.transcript }),
    sides_inferred: conversation.sides_inferred,
    context: enteredContext(),
    ...deal,
    model_type: byId("model").value,
    include_analysis: true,
    include_similar: true,
    ...(withCurve && { include_trajectory: true, trajectory_points: CURVE_POINTS }),
  });
  byId("no-result").hidden = true;
  byId("answer").replaceChildren(make("h2", { class: "out-of-sight", id: "answer-heading" }, "Result"), ...(deal.deal_id ? [dealLink(deal)] : []), ...answerCards(answer, conversation));
  byId("answer").hidden = false;
  markSignals(answer.analysis?.signals);
  byId("result").setAttribute("aria-labelledby", "answer-heading");
  byId("result").focus({ preventScroll: true });
  byId("answer").scrollIntoView({ block: "nearest" });
  return `${percent(answer.prediction.probability)} probability that it converts.`;
}

async function readPasted() {
  const text = byId("transcript").value;
  if (!text.trim()) {
    byId("transcript").focus();
    throw new Error("There is no conversation yet: paste one, or choose a file.");
  }
  const { conversations, notices } = await upload("/conversations/read", text, "transcript");
  if (conversations.length > 1) throw new Error(`That is ${conversations.length} conversations; save them as a file, choose it here and pick one, or rank the file below.`);
  showNotices(byId("read-notices"), notices);
  fillInContext(conversations[0].context, false);
  return conversations[0];
}

async function readFile(status) {
  const [file] = byId("conversation-file").files;
  if (!file) {
    if (!byId("read-columns").open) return "";
    byId("conversation-file").focus();
    throw new Error("There is no file yet: choose one, or drop it here.");
  }
  let answer;
  try {
    answer = await (isRecording(file) ? heardIn : readIn)(file, status);
  } catch (error) {
    showWords(); // the file stays chosen, as it may be read once its columns are named
    if (error.status === 422) columnsToRead.open();
    throw error;
  }
  if (!answer) {
    removeFile();
    return `${file.name} is not heard to its end.`;
  }
  uploaded = answer.conversations;
  showNotices(byId("read-notices"), answer.notices);
  byId("loaded-name").textContent = file.name;
  byId("which").hidden = uploaded.length === 1;
  byId("which-conversation").replaceChildren(...uploaded.map((one, n) => make("option", { value: n }, one.conversation_id)));
  byId("words").hidden = true;
  byId("loaded").hidden = false;
  takeOverContext();
  return `${file.name} is read.`;
}

async function readIn(file, status) {
  status.textContent = `Reading ${file.name} …`;
  await columnsToRead.suggest(file);
  return upload("/conversations/read", file, file.name, columnsToRead.query());
}

function heardIn(file, status) {
  status.textContent = `Listening to ${file.name} …`;
  showWords();
  return hear(file);
}

function takeOverContext() {
  const conversation = chosenConversation();
  const turns = conversation.turns?.length;
  const speakers = new Set(conversation.turns?.map(speakerOf).filter(Boolean));
  const sellers = conversation.sides_inferred ? `; found from the words to sell: ${sellersOf(conversation).join(", ")}` : "";
  byId("loaded-facts").textContent = turns ? `${turns} turns${speakers.size ? `, ${[...speakers].join(", ")}` : ""}${sellers}` : "a text without turns";
  fillInContext(conversation.context, true);
}

function sellersOf(conversation) {
  return [...new Set(conversation.turns.filter((turn) => turn.speaker === "seller").map(speakerOf))];
}

function chosenConversation() {
  return uploaded[Number(byId("which-conversation").value) || 0];
}

function removeFile() {
  byId("conversation-file").value = "";
  byId("status").textContent = "";
  showWords();
}

function showWords() {
  uploaded = null;
  showNotices(byId("read-notices"), []);
  byId("words").hidden = false;
  byId("loaded").hidden = true;
}

function contextFields() {
  return [...document.querySelectorAll("[data-context]")];
}

/** What a file or pasted JSON knows goes into the fields; what a person typed stays where the file says nothing. */
function fillInContext(context, overTyped) {
  for (const field of contextFields()) {
    if (field.dataset.filledIn !== undefined && field.dataset.filledIn === field.value) field.value = ""; // by the one before
    delete field.dataset.filledIn;
    const value = context?.[field.name];
    if (value === null || value === undefined || (field.value && !overTyped)) continue;
    field.value = value;
    field.dataset.filledIn = field.value;
  }
}

function enteredContext() {
  const given = contextFields().map((field) => [field.name, field.value.trim()]);
  return Object.fromEntries(given.filter(([, value]) => value));
}

/** The deal that the conversation belongs to: as its file says, or else as a person entered it. */
function putToDeal(conversation) {
  const deal = conversation.deal_id ?? byId("deal").value.trim();
  if (!deal) return {};
  const given = { deal_id: deal, group: conversation.group, date: conversation.date ?? byId("deal-date").value };
  if (uploaded && conversation.conversation_id) given.conversation_id = conversation.conversation_id;
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value));
}

function dealLink({ deal_id: deal }) {
  return make("p", { class: "card", id: "put-to-deal" }, "Put to the deal ", make("a", { href: `/deals/${encodeURIComponent(deal)}` }, deal), ".");
}

function fillInSample() {
  removeFile();
  byId("transcript").value = SAMPLE.transcript;
  for (const field of contextFields()) field.value = SAMPLE.context[field.name] ?? "";
  byId("predict").focus();
}

async function rank(status) {
  const [file] = byId("rank-file").files;
  if (!file) {
    byId("rank-file").focus();
    throw new Error("There is no file yet: choose one.");
  }
  status.textContent = `Ranking ${file.name} …`;
  showNotices(byId("rank-notices"), []);
  const deal = byId("rank-deal").value.trim();
  const query = { model_type: byId("rank-model").value, ...(deal && { deal_id: deal }), ...columnsToRank.query() };
  const answer = await upload("/predict/file", file, file.name, query).catch((error) => {
    if (error.status === 422) columnsToRank.open();
    throw error;
  });
  showNotices(byId("rank-notices"), answer.notices);
  showRanking(answer, file.name);
  const count = answer.predictions.length;
  return `${count} ${count === 1 ? "conversation" : "conversations"} ranked by ${answer.model_used}.`;
}

function showRanking(answer, name) {
  const anyClosed = answer.predictions.some((one) => one.recorded_outcome);
  const columns = [{ title: "Rank", number: true }, { title: "Conversation" }, { title: "Probability", number: true }, { title: "Expected" }, ...(anyClosed ? [{ title: "Closed as" }] : []), { title: "Begins", words: true }];
  const shown = answer.predictions.slice(0, SHOWN_AT_ONCE);
  const rows = shown.map((one) => [
    one.rank, one.conversation_id, percent(one.prediction.probability, 1),
    outcomeTag(one.prediction.outcome), ...(anyClosed ? [one.recorded_outcome ? outcomeTag(one.recorded_outcome) : "open"] : []), one.excerpt,
  ]);
  const more = answer.predictions.length > shown.length ? `the first ${shown.length} of ${answer.predictions.length}; the CSV holds them all` : null;
  const caption = [anyClosed ? "The open deal likeliest to convert first, closed ones last" : "The likeliest to convert first", more].filter(Boolean).join(", ");
  const region = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Ranking" }, table(columns, rows, { caption, wide: true }));
  byId("ranking").replaceChildren(make("p", {}, downloadLink(answer.csv, name)), region);
  byId("ranking").hidden = false;
}

function outcomeTag(outcome) {
  return make("span", { class: `tag ${outcome === "successful" ? "up" : "down"}` }, outcome);
}

function downloadLink(csv, name) {
  const old = byId("download");
  if (old) URL.revokeObjectURL(old.href);
  const href = URL.createObjectURL(new Blob(["\ufeff", csv], { type: "text/csv;charset=utf-8" })); // Excel knows UTF-8 by the mark
  return make("a", { id: "download", href, download: `${name.replace(/\.[^.]*$/, "")}-ranked.csv` }, "Download it ranked, as CSV");
}

/** Says which model `auto` is and leaves those that are not trained unchoosable; without an answer all stay. */
async function markModels() {
  const found = await ask("/models").catch((error) => {
    if (error.status === 401) showProblem(byId("problem"), error);
    return null;
  });
  if (!found) return;
  for (const option of document.querySelectorAll(".model-choice option")) {
    const model = found.models.find((one) => one.name === (option.value === "auto" ? found.auto : option.value));
    option.disabled = option.value !== "auto" && !model?.trained;
    if (option.value === "auto" && model) option.textContent = `Automatic (${model.title})`;
  }
}
