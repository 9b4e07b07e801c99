/** What a model knows and does not know: words in a text, the nearest known word, groups of words to pick from. */

/** @typedef {{word: string, start: number, end: number}} Found */

const WORD = /[\p{L}\p{N}]+(?:[-'’][\p{L}\p{N}]+)*/gu;

/** @param {string} text @returns {Found[]} the words of a text and where they stand */
export function wordsIn(text) {
  return [...text.matchAll(WORD)].map((m) => ({ word: m[0], start: m.index, end: m.index + m[0].length }));
}

/**
 * Whether a word needs no mark: it is known whole or part by part, or is a number or a single letter.
 * @param {string} word @param {ReadonlySet<string>} known lower-case words
 */
export function isKnown(word, known) {
  const lower = word.toLowerCase().replace("’", "'");
  const passes = (/** @type {string} */ w) => known.has(w) || [...w].length < 2 || /^\p{N}+$/u.test(w);
  return passes(lower) || passes(lower.replace(/'s$/, "")) || lower.split("-").every(passes);
}

/**
 * The words of a text that are not known. The word that ends at `caret` is still being typed and is left out
 * while a known word begins so.
 * @param {string} text @param {ReadonlySet<string>} known @param {number | null} caret
 * @returns {Found[]}
 */
export function unknownIn(text, known, caret = null) {
  return wordsIn(text).filter(({ word, end }) => {
    if (isKnown(word, known)) return false;
    const begun = word.toLowerCase();
    return !(end === caret && [...known].some((w) => w.startsWith(begun)));
  });
}

/** Edits (insert, delete, replace, swap of neighbours) from a to b. @param {string} a @param {string} b */
export function distance(a, b) {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const above = /** @type {number[]} */ (rows[i - 1]);
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = /** @type {number} */ (above[j - 1]) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(/** @type {number} */ (above[j]) + 1, /** @type {number} */ (row[j - 1]) + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, /** @type {number} */ (rows[i - 2]?.[j - 2]) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return /** @type {number} */ (rows[a.length]?.[b.length]);
}

/**
 * The known word that was probably meant: the same stem, or one slip (two in a word of seven letters or more).
 * @param {string} word @param {readonly string[]} known @returns {string | null}
 */
export function nearest(word, known) {
  const lower = word.toLowerCase();
  for (const stem of [lower.replace(/e?s$/, ""), `${lower}s`]) if (stem !== lower && known.includes(stem)) return stem;
  const slips = lower.length >= 7 ? 2 : lower.length >= 4 ? 1 : 0;
  let best = null;
  let least = slips + 1;
  for (const candidate of known) {
    if (candidate.length < 3 || Math.abs(candidate.length - lower.length) > slips) continue;
    const edits = distance(lower, candidate);
    if (edits < least) [best, least] = [candidate, edits];
  }
  return best;
}

/** @param {string} words */
const set = (words) => new Set(words.split(" "));

/** English words by what they are good for; every other word of a model counts as a thing. */
const GROUPS = {
  Colours: set(`red crimson scarlet green emerald blue navy yellow golden orange purple violet pink rosy white snowy
    black brown chocolate grey gray silver gold beige turquoise teal`.replace(/\s+/g, " ")),
  "Sizes and numbers": set(`small little tiny medium medium-sized large big huge one two three four five six pair
    several many`.replace(/\s+/g, " ")),
  Places: set(`table street mountain mountains hill city town sea seaside ocean water beach forest woods desert
    sand meadow grass field garden winter landscape farm barn room indoors snow river lake sky
    park road`.replace(/\s+/g, " ")),
  "Time and weather": set(`day daylight bright sunset evening dusk night moon moonlight rain rains rainy snows snowy
    falling clear sunrise morning dawn storm cloudy sunny fog`.replace(/\s+/g, " ")),
  "What kind": set("wooden burning flaming electric hot round tall long short old new"),
  "On signs": set("sign open home sale zoo stop tea art hello cafe bus"),
  "Where it stands": set(`left right above over below under beneath top next front behind beside between near among
    standing flying parked`.replace(/\s+/g, " ")),
};
const SMALL = set(`a an the of on in at by to and it is that this with while during from for into its or as says saying
  draw drawing picture photo illustration image`.replace(/\s+/g, " "));

/**
 * Words in groups, things first; plurals whose singular is there, numbers and words without content are left out.
 * @param {readonly string[]} vocabulary @returns {[string, string[]][]}
 */
export function grouped(vocabulary) {
  const all = new Set(vocabulary);
  const plural = (/** @type {string} */ w) =>
    (w.endsWith("s") && all.has(w.slice(0, -1))) ||
    (w.endsWith("es") && all.has(w.slice(0, -2))) ||
    (w.endsWith("ies") && all.has(`${w.slice(0, -3)}y`));
  /** @type {Map<string, string[]>} */
  const groups = new Map([["Things", []], ...Object.keys(GROUPS).map((name) => /** @type {[string, string[]]} */ ([name, []]))]);
  for (const word of [...all].sort((a, b) => a.localeCompare(b))) {
    const places = Object.entries(GROUPS).filter(([, words]) => words.has(word));
    if (word.length < 2 || /^\d+$/.test(word) || SMALL.has(word)) continue;
    if (places.length === 0 && plural(word)) continue;
    for (const [name] of places.length ? places : [["Things"]]) groups.get(/** @type {string} */ (name))?.push(word);
  }
  return [...groups].filter(([, words]) => words.length > 0);
}
