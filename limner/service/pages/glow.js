/** Which word drew what: the words of a title, each of which lights up its places in the picture. */

/** @typedef {import("./wire.js").Picture} Picture */

const GLOW = [255, 190, 60];

/**
 * Where the words of a text stand, one after another; what is not found is left out.
 * @param {string} text @param {readonly string[]} words in lower case
 * @returns {{start: number, end: number, word: number}[]}
 */
export function placesOf(text, words) {
  const lower = text.toLowerCase();
  let from = 0;
  return words.flatMap((word, k) => {
    const inside = (/** @type {number} */ at) => /[\p{L}\p{N}]/u.test(lower[at] ?? "");
    for (let start = lower.indexOf(word, from); word && start >= 0; start = lower.indexOf(word, start + 1)) {
      // A word that was told begins where one begins; it may end within, for "don't" is told as two.
      if (inside(start) && inside(start - 1) && start !== from) continue;
      from = start + word.length;
      return [{ start, end: from, word: k }];
    }
    return [];
  });
}

/** @param {string} url @returns {Promise<HTMLImageElement>} */
async function loaded(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

/** Draw a map as light: the brighter a place, the less of the veil is left over it.
 * @param {HTMLCanvasElement} veil @param {HTMLImageElement} maps one below the other @param {number} word @param {number} height of one */
function shine(veil, maps, word, height) {
  Object.assign(veil, { width: maps.naturalWidth, height });
  const context = veil.getContext("2d", { willReadFrequently: true });
  if (!context) return;
  context.drawImage(maps, 0, -word * height);
  const light = context.getImageData(0, 0, veil.width, height);
  for (let at = 0; at < light.data.length; at += 4) {
    const share = /** @type {number} */ (light.data[at]) / 255;
    GLOW.forEach((level, k) => (light.data[at + k] = Math.round(level * share + 16 * (1 - share))));
    light.data[at + 3] = Math.round(255 * (share < 0.5 ? 0.78 - 1.3 * share : 0.13 + 0.5 * (share - 0.5)));
  }
  context.putImageData(light, 0, 0);
}

/**
 * Write a prompt into a title, so that pointing at a word, or tapping it, shows where it drew.
 * @param {HTMLElement} title @param {HTMLElement} place what the picture lies in @param {string} text
 * @param {Picture | undefined} picture @returns {boolean} whether there is something to point at
 */
export function light(title, place, text, picture) {
  place.querySelector(".veil")?.remove();
  title.textContent = text;
  const map = picture?.attention?.maps.at(-1);
  if (!picture?.attention || !map) return false;
  const spots = placesOf(text, picture.attention.words);
  const veil = document.createElement("canvas");
  veil.className = "veil";
  veil.setAttribute("aria-hidden", "true");
  /** @type {Promise<HTMLImageElement> | null} */
  let maps = null;
  /** @type {number | null} */
  let held = null;
  /** @type {number | null} */
  let wanted = null;
  /** @param {number | null} word */
  const show = async (word) => {
    wanted = word;
    for (const [k, one] of buttons.entries()) one.setAttribute("aria-pressed", String(spots[k]?.word === word));
    if (word === null) return void veil.remove();
    maps ??= loaded(map.url);
    const image = await maps.catch(() => null);
    if (!image || wanted !== word) return;
    shine(veil, image, word, map.height);
    place.append(veil);
  };
  const buttons = spots.map(({ start, end, word }) => {
    const one = document.createElement("button");
    one.type = "button";
    one.className = "lit";
    one.textContent = text.slice(start, end);
    one.setAttribute("aria-pressed", "false");
    one.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show(word));
    one.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && show(held));
    one.addEventListener("click", () => show((held = held === word ? null : word)));
    return one;
  });
  const pieces = spots.flatMap(({ start }, k) => {
    const before = text.slice(k ? /** @type {{end: number}} */ (spots[k - 1]).end : 0, start);
    return [before, /** @type {HTMLElement} */ (buttons[k])];
  });
  title.replaceChildren(...pieces, text.slice(spots.at(-1)?.end ?? 0));
  return spots.length > 0;
}
