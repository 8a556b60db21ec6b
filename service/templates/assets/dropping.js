// A file that is dropped anywhere on the page goes where it was meant: into the file field below it, else into the first one.

import { byId } from "./page.js";

/** fields: ids of file fields; the last is taken where the file falls into the card around it. */
export function takeDroppedFiles(first, ...others) {
  const place = (event) => others.map(byId).find((field) => field.closest(".card").contains(event.target)) ?? byId(first);
  const mark = (event) => {
    const card = event ? place(event).closest(".card") : null;
    for (const one of document.querySelectorAll(".card.dropping")) if (one !== card) one.classList.remove("dropping");
    card?.classList.add("dropping");
  };
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // or else the browser opens the file in place of the page
    mark(event);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(null);
  });
  document.addEventListener("drop", (event) => {
    mark(null);
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    const field = place(event);
    field.files = event.dataTransfer.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
