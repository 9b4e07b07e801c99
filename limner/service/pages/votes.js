/** What one thinks of a picture: a thumb, a note with it, and what the picture really shows. */

import { text } from "./language.js";
import { button, icon, toast } from "./page.js";
import { Problem, getFeedback, sayFeedback, takeBack } from "./wire.js";

/** @typedef {import("./wire.js").Feedback} Feedback */
/** @typedef {{id: string, prompt: string}} Subject */

/** @type {Map<string, Feedback | null>} what was said of pictures, by their ids, as far as it is known in any place */
const known = new Map();
/** @type {(() => void)[]} shows what is known, one for each place */
const places = [];
let serial = 0;

/** @param {string} image @param {Feedback | null} said */
function learn(image, said) {
  known.set(image, said);
  for (const reflect of places) reflect();
}

/** A text whatever its blanks and lines are. @param {string} words */
const plain = (words) => words.trim().replace(/\s+/g, " ");

/** @param {string} name @param {string} label @param {HTMLTextAreaElement} field */
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
  const said = () => (subject && known.get(subject.id)) ?? null;

  const caption = document.createElement("textarea");
  const note = document.createElement("textarea");
  const form = document.createElement("form");
  const hint = document.createElement("p");
  const keep = button(text("vote.keep"), "quiet strong", () => form.requestSubmit());
  const more = button(text("vote.more"), "quiet", () => open(Boolean(form.hidden)));
  hint.className = "hint";
  hint.textContent = text("vote.caption.hint");
  caption.maxLength = note.maxLength = 1000;
  caption.rows = note.rows = 2;
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
    form.reset();
    form.scrollIntoView({ block: "nearest" });
    caption.focus({ preventScroll: true });
  };
  const reflect = () => {
    const own = said();
    for (const [vote, made] of pressed) made.setAttribute("aria-pressed", String(own?.vote === vote));
    // A field in which nobody wrote shows what is known now.
    caption.defaultValue = own?.caption || subject?.prompt || "";
    note.defaultValue = own?.note ?? "";
    more.hidden = own === null;
    if (!own) open(false);
  };
  places.push(reflect);
  /**
   * Change what was said, of which another page may have said more since.
   * @param {Subject} of @param {Partial<Feedback>} change @returns {Promise<boolean>} whether it was kept
   */
  const say = async ({ id }, change) => {
    try {
      const last = await getFeedback(id);
      const { vote = null, note = "", caption = "" } = { ...last, ...change };
      const some = Boolean(vote || note || caption);
      if (!some && last) await takeBack(last.id);
      learn(id, some ? await sayFeedback({ image: id, vote, note, caption }) : null);
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.message);
      return false;
    }
  };
  /** @param {"up" | "down"} vote */
  const press = (vote) => {
    if (subject) void say(subject, { vote: said()?.vote === vote ? null : vote });
  };
  caption.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const of = subject;
    if (!of) return;
    const mended = plain(caption.value) === plain(of.prompt) ? "" : caption.value.trim();
    if (!(await say(of, { note: note.value.trim(), caption: mended }))) return;
    toast(text("vote.kept"));
    if (of.id === subject?.id) open(false);
    more.focus();
  });

  return (shown) => {
    thumbs.hidden = shown === null;
    if (shown?.id !== subject?.id) open(false);
    subject = shown;
    reflect();
    if (!shown) return;
    const before = known.get(shown.id);
    void getFeedback(shown.id).then((found) => {
      if (known.get(shown.id) === before) learn(shown.id, found);
    }, () => {}); // A thumb asks again, and says what is wrong.
  };
}
