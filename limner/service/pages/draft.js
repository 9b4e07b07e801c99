/** What was begun and not drawn yet, over a reload of the page: words, settings, what lies on the bench. */

import * as bench from "./bench.js";
import * as composer from "./composer.js";
import * as settings from "./settings.js";
import { element, recall, remember } from "./page.js";

/** @typedef {{prompt: string, count: string, settings: settings.Draft, bench: bench.Draft | null}} Draft */

const prompt = element("prompt", HTMLTextAreaElement);
const counts = /** @type {RadioNodeList} */ (element("form", HTMLFormElement).elements.namedItem("count"));

/** Note it in this tab. */
export function keep() {
  /** @type {Draft} */
  const draft = { prompt: prompt.value, count: counts.value, settings: settings.draft(), bench: bench.draft() };
  remember("draft", JSON.stringify(draft), sessionStorage);
}

/** Take up what was noted, once. @param {() => void} chosen the model is chosen again */
export function restore(chosen) {
  const kept = recall("draft", sessionStorage);
  if (kept === null) return chosen();
  remember("draft", null, sessionStorage);
  /** @type {Draft} */
  const draft = JSON.parse(kept);
  settings.restore(draft.settings);
  chosen();
  if (draft.bench && settings.chosen()?.edits) void bench.restore(draft.bench);
  composer.write(draft.prompt);
  counts.value = draft.count;
}
