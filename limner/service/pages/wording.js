/** The same seed in other words: the picture that the next one is to hang beside. */

import { difference } from "./difference.js";
import { element } from "./page.js";

/** @typedef {import("./wire.js").Job} Job */
/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {import("./wire.js").Request} Request */
/** @typedef {{job: Job, picture: Picture}} Made */

const strip = element("wording", HTMLElement);

/** @type {Made | null} */
let beside = null;

/** @param {Made | null} made what the next picture is to hang beside */
export function take(made) {
  beside = made;
  strip.hidden = made === null;
  if (!made) return;
  element("wording-picture", HTMLImageElement).src = made.picture.url;
}

/** What the next picture is to hang beside, if anything. */
export const taken = () => beside;

/** The request that draws one picture of a job again. @param {Made} made @returns {Request} */
export function of({ job: { request }, picture }) {
  const own = request.variation_strength ? { variation_seed: picture.seed } : { seed: picture.seed };
  return { ...request, ...own, n: 1, best_of: 1, matcher: null };
}

/** A prompt whose words that the other does not have are marked. @param {string} prompt @param {string} other @returns {HTMLElement} */
export function marked(prompt, other) {
  const place = document.createElement("span");
  const [pieces] = difference(prompt, other);
  place.append(...pieces.map(({ text: piece, differs }) => {
    if (!differs) return piece;
    const mark = document.createElement("mark");
    mark.textContent = piece.trimStart();
    const whole = document.createElement("span");
    whole.append(piece.slice(0, piece.length - piece.trimStart().length), mark);
    return whole;
  }));
  return place;
}

/** Begin. */
export function start() {
  element("wording-close", HTMLButtonElement).addEventListener("click", () => {
    take(null);
    element("prompt", HTMLTextAreaElement).focus(); // the button is gone, and the focus with it
  });
}
