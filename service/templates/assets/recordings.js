// A recording goes to the service, which hears it in its own time; the page shows how far that is, and takes the words.

import { ask, byId, upload } from "./page.js";

const ENDINGS = /\.(wav|mp3|m4a|mp4|aac|ogg|oga|opus|flac|webm|mkv|amr|wma|wmv|avi)$/i;
const ASK_AGAIN = 1000; // milliseconds
let stopped = null; // ends the hearing of now, without an answer

byId("stop-hearing").addEventListener("click", () => stopped?.());

export function isRecording(file) {
  return /^(audio|video)\//.test(file.type) || ENDINGS.test(file.name);
}

/** What was said, as POST /conversations/read answers; null where a person stopped it. Throws what the service says. */
export async function hear(file) {
  let goesOn = true;
  const stop = new Promise((resolve) => {
    stopped = () => {
      goesOn = false;
      resolve();
    };
  });
  show(file, { state: "sending" });
  waitWith(byId("conversation-file"), byId("stop-hearing"));
  let id = null;
  try {
    const sent = upload("/recordings", file, file.name).then((recording) => (goesOn ? recording : forget(recording.id)));
    for (let found = await Promise.race([sent, stop]); goesOn; found = await ask(`/recordings/${id}`)) {
      id = found.id;
      show(file, found);
      if (found.state === "done") return found;
      if (found.state === "failed") throw new Error(found.problem);
      await Promise.race([stop, new Promise((resolve) => { setTimeout(resolve, ASK_AGAIN); })]);
    }
    return null;
  } finally {
    stopped = null;
    byId("hearing").hidden = true;
    byId("conversation-file").disabled = false;
    if (id) forget(id);
  }
}

/** No other file is chosen meanwhile; who has just chosen this one can stop it at once. */
function waitWith(field, button) {
  const hadFocus = document.activeElement === field;
  field.disabled = true;
  if (hadFocus) button.focus();
}

function forget(id) {
  return ask(`/recordings/${id}`, { method: "DELETE" }).catch(() => null); // it goes by itself after an hour
}

function show(file, { state, progress, before, seconds_left: left }) {
  const bar = byId("hearing-progress");
  if (state === "hearing" && progress) bar.value = progress;
  else bar.removeAttribute("value"); // how long it takes is not known yet
  byId("hearing-name").textContent = file.name;
  byId("hearing-state").textContent = told(file, state, before, left);
  byId("hearing").hidden = false;
}

function told(file, state, before, left) {
  if (state === "sending") return `Sending ${(file.size / 1048576).toFixed(1)} MB …`;
  if (state === "waiting" && before) return `Waiting for ${before} ${before === 1 ? "other" : "others"} …`;
  if (left === null || left === undefined) return "Beginning …";
  return left < 60 ? `About ${Math.ceil(left)} seconds left` : `About ${Math.ceil(left / 60)} minutes left`;
}
