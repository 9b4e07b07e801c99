/** Words of several senses: how they were read, and another sense with one tap, which is remembered. */

import { text } from "./language.js";
import { button, element, recall, remember } from "./page.js";

/** @typedef {import("./wire.js").Job} Job */

const place = element("reading", HTMLElement);

/** @type {import("./wire.js").Request | null} whose senses were taken over, for its prompt */
let adopted = null;

/** Take over how a request was read, as long as its prompt stays. @param {import("./wire.js").Request} request */
export const adopt = (request) => void (adopted = request);

/** @returns {Record<string, string>} the senses that were chosen here, by word */
function chosen() {
  try {
    return JSON.parse(recall("readings") ?? "{}");
  } catch {
    return {};
  }
}

/** What a request says of words: nothing where none was chosen. @param {string} prompt */
export function read(prompt) {
  const taken = adopted?.prompt.trim() === prompt ? adopted.readings : null;
  const words = Object.entries(taken ?? chosen()).filter(([word]) => prompt.toLowerCase().includes(word));
  return words.length ? { readings: Object.fromEntries(words) } : {};
}

/**
 * Say how a job's words were read.
 * @param {Job | null} job @param {(readings: Record<string, string>) => void} again draw it with other senses
 */
export function show(job, again) {
  const senses = Object.entries(job?.senses ?? {});
  const taken = job?.request.readings ?? {};
  place.hidden = senses.length === 0;
  place.replaceChildren(...senses.flatMap(([word, all]) => {
    const told = document.createElement("span");
    const sense = taken[word] ?? word;
    const others = all.filter((other) => other !== sense);
    told.textContent = text(sense === word ? "reading.same" : "reading.told", { word, sense });
    return [told, ...others.map((sense) => button(text("reading.other", { sense }), "quiet", () => {
      adopted = null;
      remember("readings", JSON.stringify({ ...chosen(), [word]: sense }));
      again({ ...taken, [word]: sense });
    }))];
  }));
}
