/** Which of two is better: pictures of one prompt, two at a time, the better one stays. */

import { text } from "./language.js";
import { announce, element, toast } from "./page.js";
import { Problem, sayFeedback } from "./wire.js";

/** @typedef {import("./wire.js").Picture} Picture */

const dialog = element("pairs", HTMLDialogElement);
const sides = [element("pair-left", HTMLButtonElement), element("pair-right", HTMLButtonElement)];

/** @type {Picture[]} the best one so far, then those that have not been seen */
let waiting = [];
let asked = 0;

function show() {
  if (waiting.length < 2) {
    dialog.close();
    toast(text("pair.done"));
    return;
  }
  sides.forEach((side, k) => {
    const image = new Image();
    image.alt = "";
    image.src = /** @type {Picture} */ (waiting[k]).url;
    side.replaceChildren(image);
  });
  const progress = text("pair.progress", { at: asked - waiting.length + 1, of: asked - 1 });
  element("pair-progress", HTMLElement).textContent = progress;
  announce(progress);
}

/** @param {0 | 1 | null} side the better one, null for neither */
async function choose(side) {
  const [first, second, ...rest] = waiting;
  if (!first || !second) return;
  const [better, worse] = side === 1 ? [second, first] : [first, second];
  if (side !== null) {
    try {
      await sayFeedback({ image: better.id, over: worse.id });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.message);
      return;
    }
  }
  waiting = [better, ...rest];
  show();
}

/** Ask about pictures, where there are two that differ. @param {string} prompt @param {Picture[]} pictures */
export function compare(prompt, pictures) {
  waiting = [...new Map(pictures.map((picture) => [picture.id, picture])).values()];
  asked = waiting.length;
  element("pair-prompt", HTMLElement).textContent = prompt;
  dialog.showModal();
  show();
}

/** Begin. */
export function start() {
  sides.forEach((side, k) => side.addEventListener("click", () => choose(k === 0 ? 0 : 1)));
  element("pair-neither", HTMLButtonElement).addEventListener("click", () => choose(null));
  element("pair-close", HTMLButtonElement).addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") choose(0);
    if (event.key === "ArrowRight") choose(1);
  });
}
