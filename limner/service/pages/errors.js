/** What is wrong with what was asked: said beside its field, or under the prompt where no field is named. */

import * as settings from "./settings.js";
import { element } from "./page.js";
import { text, words } from "./language.js";

/** @typedef {import("./wire.js").FieldError} FieldError */
/** @typedef {import("./wire.js").Problem} Problem */

const FIELDS = { prompt: "prompt", seed: "seed", steps: "steps", guidance_scale: "guidance", temperature: "temperature", top_k: "top-k", best_of: "best-of", negative_prompt: "negative" };

/** Say nothing of it any more. */
export function clear() {
  for (const id of Object.values(FIELDS)) {
    element(`${id}-error`, HTMLElement).hidden = true;
    element(id, HTMLElement).removeAttribute("aria-invalid");
  }
}

/** @param {string} id @param {string} text */
export function show(id, text) {
  const place = element(`${id}-error`, HTMLElement);
  place.textContent = text;
  place.hidden = false;
  element(id, HTMLElement).setAttribute("aria-invalid", "true");
  if (id !== "prompt") settings.openSettings(true);
}

/** @param {FieldError} wrong */
const sentence = ({ field, message, allowed }) => (allowed ? text("say.allowed", { allowed: words[`allowed.${field}`] ?? allowed }) : message);

/** What is wrong in a field that has no place of its own: of a picture the reason says more than what is allowed.
 * @param {FieldError | undefined} wrong */
const told = (wrong) => wrong && (["image", "mask"].includes(wrong.field) ? wrong.message : `${wrong.field}: ${sentence(wrong)}`);

/** @param {Problem} error */
export function tell(error) {
  if (error.refused) return show("prompt", text("say.refused", { why: error.refused }));
  const named = error.errors.filter(({ field }) => field in FIELDS);
  for (const wrong of named) show(FIELDS[/** @type {keyof typeof FIELDS} */ (wrong.field)], sentence(wrong));
  const [first] = error.errors;
  if (named.length === 0) show("prompt", told(first) ?? error.message);
}
