/** Which words of two texts differ. */

/** @typedef {{text: string, differs: boolean}} Piece */

/** @param {string} text @returns {string[]} its words, each with the blanks before it */
const cut = (text) => text.match(/\s*\S+/g) ?? [];

/** @param {string} word */
const plain = (word) => word.trim().toLowerCase();

/**
 * Both texts in pieces, so that what only one of them has is marked: what is left of a longest common row of words.
 * @param {string} one @param {string} other @returns {[Piece[], Piece[]]}
 */
export function difference(one, other) {
  const [a, b] = [cut(one), cut(other)];
  /** @type {number[][]} the length of a longest common row from place i of one and j of the other on */
  const common = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
  const at = (/** @type {number} */ i, /** @type {number} */ j) => common[i]?.[j] ?? 0;
  const same = (/** @type {number} */ i, /** @type {number} */ j) => plain(a[i] ?? "") === plain(b[j] ?? "");
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      /** @type {number[]} */ (common[i])[j] = same(i, j) ? 1 + at(i + 1, j + 1) : Math.max(at(i + 1, j), at(i, j + 1));
  /** @type {[Piece[], Piece[]]} */
  const pieces = [[], []];
  /** @param {0 | 1} side @param {string | undefined} text @param {boolean} differs */
  const add = (side, text, differs) => {
    const last = pieces[side].at(-1);
    if (last?.differs === differs) last.text += text ?? "";
    else pieces[side].push({ text: text ?? "", differs });
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && same(i, j)) {
      add(0, a[i++], false);
      add(1, b[j++], false);
    } else if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) add(0, a[i++], true);
    else add(1, b[j++], true);
  }
  return pieces;
}
