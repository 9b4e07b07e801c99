/** The page's words in the reader's language. The service chooses it: as was chosen here, else by Accept-Language. */

import { recall, remember } from "./page.js";

/** @typedef {{language: string, languages: Record<string, string>, words: Record<string, string>}} Language */

/** @returns {Promise<Language>} */
async function load() {
  const chosen = recall("language");
  const query = chosen ? `?language=${encodeURIComponent(chosen)}` : "";
  for (const pause of [0, 300, 900]) {
    await new Promise((on) => setTimeout(on, pause));
    const answer = await fetch(`/pages/language.json${query}`).catch(() => null);
    const read = answer?.ok ? await answer.json().catch(() => null) : null;
    if (read) return read;
  }
  // The service is away: index.html keeps its English, and keys stand in for all other words.
  return { language: "en", languages: {}, words: {} };
}

export const { language, languages, words } = await load();

document.documentElement.lang = language;
delete document.documentElement.dataset.waiting;

const plural = new Intl.PluralRules(language);

/**
 * A sentence of the page; `{name}` in it stands for a value. With a `count` the form of that number is taken.
 * @param {string} key @param {Record<string, string | number>} [values] @returns {string}
 */
export function text(key, values = {}) {
  const form = typeof values.count === "number" ? `${key}.${plural.select(values.count)}` : key;
  const sentence = words[form] ?? words[`${key}.other`] ?? words[key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** The words of what stands in index.html: texts, and what names a control. @param {ParentNode} [place] */
export function translate(place = document) {
  /** @param {string} mark @param {(said: Element, words: string) => void} say */
  const each = (mark, say) => {
    for (const said of place.querySelectorAll(`[${mark}]`)) {
      const key = said.getAttribute(mark) ?? "";
      if (key in words) say(said, text(key));
    }
  };
  each("data-say", (said, sentence) => (said.textContent = sentence));
  for (const [mark, attribute] of /** @type {const} */ ([["data-say-label", "aria-label"], ["data-say-hint", "placeholder"]]))
    each(mark, (named, sentence) => named.setAttribute(attribute, sentence));
}

translate();

/** Offer the languages that there are; another one is read anew. @param {HTMLSelectElement} select */
export function offerLanguages(select) {
  select.replaceChildren(...Object.entries(languages).map(([tag, name]) => new Option(name, tag, false, tag === language)));
  select.hidden = Object.keys(languages).length < 2;
  select.addEventListener("change", () => {
    remember("language", select.value);
    location.reload();
  });
}
