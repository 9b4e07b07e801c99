/** The frame in the middle: pictures forming from their previews, the gilding that shows progress, the plate below. */

import { light } from "./glow.js";
import { text } from "./language.js";
import { announce, come, element, icon } from "./page.js";

/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {import("./wire.js").Step} Step */

const frame = element("frame", HTMLElement);
const canvas = element("canvas", HTMLElement);
const title = element("title", HTMLElement);
const facts = element("facts", HTMLElement);
const actions = element("actions", HTMLElement);

/** @type {HTMLButtonElement[]} */
let tiles = [];
/** @type {number[]} the share of each picture that is done, 0 to 1 */
let done = [];
let told = 0;
/** Where in the queue it was last said aloud to be; 0 is nowhere. */
let place = 0;

/** Lay a picture over what the tile shows, then let go of what is under it.
 * @param {HTMLElement} tile @param {string} source @param {"preview" | "final"} kind @param {string} alt */
async function lay(tile, source, kind, alt) {
  const image = new Image();
  image.className = kind;
  image.alt = alt;
  await come(image, source);
  await image.decode().catch(() => {}); // What can be seen of it is shown.
  if (!tile.isConnected || (kind === "preview" && tile.dataset.state === "done")) return;
  if (kind === "final") tile.dataset.state = "done";
  const under = [...tile.querySelectorAll("img")];
  tile.append(image);
  for (const old of under.slice(0, -1)) old.remove();
  setTimeout(() => under.at(-1)?.remove(), kind === "final" ? 700 : 240);
}

function gild() {
  const share = done.reduce((sum, one) => sum + one, 0) / Math.max(1, done.length);
  frame.style.setProperty("--progress", String(share));
  document.title = frame.dataset.state === "drawing" ? `${Math.round(100 * share)} % · Limner` : "Limner";
  const quarter = Math.floor(share * 4);
  if (quarter > told && quarter < 4) announce(text("stage.percent", { share: quarter * 25 }));
  told = Math.max(told, quarter);
}

/** @param {string} state @param {string} said */
function set(state, said) {
  frame.dataset.state = state;
  facts.textContent = said;
  actions.hidden = state === "drawing" || state === "empty";
  gild();
}

/** Begin a drawing of `count` pictures; where several models draw, `labels` say which.
 * @param {string} prompt @param {number} count @param {(index: number) => void} open @param {(string | Node)[]} [labels] */
export function begin(prompt, count, open, labels = []) {
  tiles = Array.from({ length: count }, (_, index) => {
    const tile = document.createElement("button");
    tile.type = "button";
    tile.className = "tile";
    tile.disabled = true;
    tile.setAttribute("aria-label", count > 1 ? text("stage.tile.drawing", { at: index + 1, of: count }) : text("stage.drawing"));
    tile.addEventListener("click", () => open(index));
    if (labels[index]) {
      const label = document.createElement("span");
      label.className = "by";
      label.append(labels[index] ?? "");
      tile.append(label);
    }
    return tile;
  });
  done = tiles.map(() => 0);
  told = place = 0;
  canvas.dataset.count = String(count);
  canvas.replaceChildren(...tiles);
  title.textContent = prompt;
  element("glow-hint", HTMLElement).hidden = true;
  set("drawing", text("stage.ready"));
  announce(text("stage.begin", { prompt }));
}

const blank = element("blank", HTMLElement);

/** Take down what hangs there. */
export function clear() {
  tiles = [];
  done = [];
  delete canvas.dataset.count;
  canvas.replaceChildren(blank);
  title.textContent = "";
  element("glow-hint", HTMLElement).hidden = true;
  set("empty", "");
}

/** Say where in the queue it is: aloud where others come before it, and once they are gone. Every drawing is next for a
 * moment before its first step. @param {number} position 1 is next */
export function waiting(position) {
  const said = position > 1 ? text("stage.waiting", { position }) : text("stage.next");
  facts.textContent = said;
  if (position > 1 ? place > 0 : place < 2) return;
  place = position;
  announce(said);
}

/** @param {Step} step */
export function stepped({ step, steps, image, preview }) {
  const tile = tiles[image];
  if (!tile) return;
  const share = step / Math.max(1, steps);
  done[image] = Math.max(done[image] ?? 0, share);
  tile.style.setProperty("--formed", String(share));
  facts.textContent = text("stage.step", { step, steps });
  if (preview) lay(tile, preview, "preview", "");
  gild();
}

/** @param {Picture} picture @param {number} index @param {string} prompt */
export function finished(picture, index, prompt) {
  const tile = tiles[index];
  if (!tile || tile.dataset.id === picture.id) return;
  tile.dataset.id = picture.id;
  tile.disabled = false;
  tile.setAttribute("aria-label", text("stage.open", { at: index + 1, of: tiles.length, prompt }));
  done[index] = 1;
  lay(tile, picture.url, "final", prompt);
  gild();
}

/** Let the words of the prompt show what they drew, where there is one picture and it tells. @param {string} prompt @param {Picture[]} pictures */
export function explained(prompt, pictures) {
  const tile = tiles[0];
  const told = tile && pictures.length === 1 && light(title, tile, prompt, pictures[0]);
  element("glow-hint", HTMLElement).hidden = !told;
}

/** Mark the tiles of pictures that a gate withholds. @param {Map<number, string>} reasons by tile @returns {string} what to say of them */
export function withheld(reasons) {
  for (const [index, why] of reasons) {
    const tile = tiles[index];
    if (!tile) continue;
    tile.setAttribute("aria-label", text("stage.tile.withheld", { at: index + 1, of: tiles.length, why }));
    if (!tile.querySelector(".withheld")) tile.append(icon("withheld", "withheld"));
  }
  const why = [...new Set(reasons.values())].join("; ");
  return why && text("stage.withheld", { count: reasons.size, why });
}

/** @param {string} plate what stands below @param {string} lacking what is to be said of pictures that are not there */
export function succeeded(plate, lacking = "") {
  set("done", [plate, lacking].filter(Boolean).join(" · "));
  announce(lacking || text("stage.done", { count: tiles.length }));
}

/** The drawing ended without all its pictures. @param {"cancelled" | "failed"} state @param {string} why */
export function ended(state, why) {
  if (state === "failed") done = done.map(() => 0);
  tiles.forEach((tile, index) => {
    if (tile.disabled && !tile.querySelector(".withheld")) tile.setAttribute("aria-label", text("stage.tile.missing", { at: index + 1, of: tiles.length }));
  });
  set(state, why);
  announce(why);
}

/** Scroll the frame into view where less than two thirds of it can be seen. */
export function reveal() {
  const { top, height } = frame.getBoundingClientRect();
  if (top > -height / 3 && top + height < innerHeight + height / 3) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  frame.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}

/** @param {string} said */
export const say = (said) => void (facts.textContent = said);
