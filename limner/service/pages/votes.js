/** What one thinks of a picture: a thumb, a note with it, and what the picture really shows. */

import { text } from "./language.js";
import { button, icon, toast } from "./page.js";
import { Problem, getFeedback, sayFeedback, takeBack } from "./wire.js";

/** @typedef {import("./wire.js").Feedback} Feedback */
/** @typedef {{id: string, prompt: string}} Subject */

let serial = 0;

/** @param {string} name @param {string} label @param {HTMLInputElement | HTMLTextAreaElement} field */
function labelled(name, label, field) {
  const place = document.createElement("div");
  const said = document.createElement("label");
  place.className = "field";
  field.id = said.htmlFor = `${name}-${(serial += 1)}`;
  said.textContent = label;
  place.append(said, field);
  return place;
}

/**
 * Put thumbs into a place, and the form for more below them into another.
 * @param {HTMLElement} thumbs @param {HTMLElement} below
 * @returns {(subject: Subject | null) => void} shows what was said of a picture; null: there is none to speak of
 */
export function votes(thumbs, below) {
  /** @type {Subject | null} */
  let subject = null;
  /** @type {Feedback | null} */
  let said = null;

  const caption = document.createElement("input");
  const note = document.createElement("textarea");
  const form = document.createElement("form");
  const hint = document.createElement("p");
  const keep = button(text("vote.keep"), "quiet strong", () => form.requestSubmit());
  const more = button(text("vote.more"), "quiet", () => open(Boolean(form.hidden)));
  hint.className = "hint";
  hint.textContent = text("vote.caption.hint");
  caption.maxLength = 1000;
  note.maxLength = 1000;
  note.rows = 2;
  form.className = "more-said panel";
  form.noValidate = form.hidden = true;
  form.append(labelled("caption", text("vote.caption"), caption), hint, labelled("note", text("vote.note"), note), keep);
  below.replaceChildren(form);
  const pressed = /** @type {const} */ (["up", "down"]).map((vote) => {
    const made = button("", `round thumb ${vote}`, () => press(vote));
    made.append(icon("thumb"));
    made.setAttribute("aria-label", text(`vote.${vote}`));
    made.title = text(`vote.${vote}`);
    return /** @type {const} */ ([vote, made]);
  });
  thumbs.classList.add("votes");
  thumbs.setAttribute("role", "group");
  thumbs.setAttribute("aria-label", text("vote.group"));
  thumbs.replaceChildren(more, ...pressed.map(([, made]) => made));

  /** @param {boolean} on */
  const open = (on) => {
    form.hidden = !on;
    more.setAttribute("aria-expanded", String(on));
    if (!on) return;
    caption.value = said?.caption || subject?.prompt || "";
    note.value = said?.note ?? "";
    form.scrollIntoView({ block: "nearest" });
    caption.focus({ preventScroll: true });
  };
  const reflect = () => {
    for (const [vote, made] of pressed) made.setAttribute("aria-pressed", String(said?.vote === vote));
    more.hidden = said === null;
  };
  /** @param {Subject} of @param {Promise<Feedback | null>} saying @returns {Promise<boolean>} whether it was kept */
  const settle = async (of, saying) => {
    try {
      const now = await saying;
      if (of !== subject) return true;
      said = now;
      reflect();
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.message);
      return false;
    }
  };
  /** @param {"up" | "down"} vote */
  const press = (vote) => {
    const of = subject;
    if (!of) return;
    const kept = { image: of.id, note: said?.note ?? "", caption: said?.caption ?? "" };
    if (said?.vote !== vote) return void settle(of, sayFeedback({ ...kept, vote }));
    if (kept.note || kept.caption) return void settle(of, sayFeedback({ ...kept, vote: null }));
    open(false);
    void settle(of, takeBack(said.id).then(() => null));
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const of = subject;
    if (!of) return;
    const mended = caption.value.trim() === of.prompt ? "" : caption.value.trim();
    const saying = { image: of.id, vote: said?.vote ?? null, note: note.value.trim(), caption: mended };
    const nothing = !saying.vote && !saying.note && !mended;
    const sent = nothing ? (said ? takeBack(said.id).then(() => null) : Promise.resolve(null)) : sayFeedback(saying);
    if (!(await settle(of, sent))) return;
    toast(text("vote.kept"));
    if (of === subject) open(false);
    more.focus();
  });

  return (shown) => {
    thumbs.hidden = shown === null;
    if (shown?.id === subject?.id && shown !== null) return;
    subject = shown;
    said = null;
    open(false);
    // What was said before is not known yet, and must not be written over.
    for (const [, made] of pressed) made.disabled = shown !== null;
    reflect();
    if (!shown) return;
    void getFeedback(shown.id).then((found) => {
      if (shown !== subject) return;
      said = found;
      for (const [, made] of pressed) made.disabled = false;
      reflect();
    }, () => {});
  };
}
