/** Where the sentence is written: marks on words that the model has not learned, its own words to pick from. */

import { text } from "./language.js";
import { announce, button, element, icon } from "./page.js";
import { grouped, nearest, unknownIn, wordsIn } from "./words.js";

/** @typedef {import("./words.js").Found} Found */

const prompt = element("prompt", HTMLTextAreaElement);
const mirror = element("mirror", HTMLElement);
const row = element("unknown", HTMLElement);
const search = element("search", HTMLInputElement);
const groups = element("groups", HTMLElement);
const swap = element("swap", HTMLElement);
const wordsButton = element("words", HTMLButtonElement);
const wordsPanel = element("words-panel", HTMLElement);

/** @type {string[] | null} */
let vocabulary = null;
/** @type {ReadonlySet<string>} */
let known = new Set();
/** @type {string | null} the unknown word that the next picked word replaces */
let replacing = null;
let saidLast = "";

/** @param {Found[]} marks */
function reflect(marks) {
  const text = prompt.value;
  const parts = [];
  let at = 0;
  for (const { start, end } of marks) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(start, end);
    parts.push(text.slice(at, start), mark);
    at = end;
  }
  mirror.replaceChildren(...parts, `${text.slice(at)}\u200b`);
}

/** Mark what is not known; call after every change of the text or the caret. */
function mark() {
  const caret = document.activeElement === prompt ? prompt.selectionEnd : null;
  const marks = vocabulary ? unknownIn(prompt.value, known, caret) : [];
  reflect(marks);
  const distinct = [...new Map(marks.map((m) => [m.word.toLowerCase(), m])).values()].slice(0, 8);
  const key = distinct.map((m) => m.word).join(" ");
  if (key === saidLast) return;
  saidLast = key;
  row.hidden = distinct.length === 0;
  const lead = document.createElement("span");
  lead.textContent = text("compose.unlearned");
  row.replaceChildren(lead, ...distinct.map(chip));
  if (distinct.length) announce(text("compose.unlearned.all", { words: distinct.map((m) => m.word).join(", ") }), 900);
}

/** @param {Found} found */
function chip({ word }) {
  const better = nearest(word, vocabulary ?? []);
  if (better === null) {
    const made = button(word, "chip strange", () => {
      replacing = word;
      openWords(true);
    });
    made.setAttribute("aria-label", text("compose.choose", { word }));
    return made;
  }
  const made = button(word, "chip strange", () => {
    const place = [...row.querySelectorAll("button")].indexOf(made);
    put(word, better);
    announce(text("compose.instead", { word: better, other: word }));
    // The chip is gone, and the focus with it.
    const left = row.hidden ? [] : [...row.querySelectorAll("button")];
    (left[place] ?? left.at(-1) ?? prompt).focus();
  });
  const arrow = document.createElement("b");
  arrow.textContent = better;
  made.append(icon("forth"), arrow);
  made.setAttribute("aria-label", text("compose.replace", { word, better }));
  return made;
}

/** Replace every occurrence of a word. @param {string} word @param {string} by */
function put(word, by) {
  const lower = word.toLowerCase();
  let text = prompt.value;
  for (const found of wordsIn(text).reverse())
    if (found.word.toLowerCase() === lower) text = text.slice(0, found.start) + by + text.slice(found.end);
  write(text);
}

/** Insert a word at the caret, or in place of the word that is to be replaced. @param {string} word */
function pick(word) {
  if (replacing !== null) {
    put(replacing, word);
    announce(text("compose.instead", { word, other: replacing }));
    target(null);
    return;
  }
  const { value, selectionStart, selectionEnd } = prompt;
  const before = value.slice(0, selectionStart);
  const after = value.slice(selectionEnd);
  const inserted = (/\S$/.test(before) ? " " : "") + word + (/^\S/.test(after) || after === "" ? " " : "");
  write(before + inserted + after, before.length + inserted.length);
  announce(text("compose.added", { word }));
}

/** @param {string | null} word */
function target(word) {
  replacing = word;
  swap.hidden = word === null;
  swap.textContent = word === null ? "" : text("compose.pick", { word });
}

/** Fill the groups with the words that match the search. */
function list() {
  const wanted = search.value.trim().toLowerCase();
  const shown = grouped(vocabulary ?? [])
    .map(([name, words]) => /** @type {const} */ ([name, words.filter((w) => w.includes(wanted))]))
    .filter(([, words]) => words.length > 0);
  const sections = shown.map(([name, words]) => {
    const section = document.createElement("section");
    const heading = document.createElement("h3");
    const chips = document.createElement("div");
    heading.textContent = text(`group.${name.toLowerCase().replaceAll(" ", "-")}`);
    chips.className = "chips";
    chips.append(...words.map((word) => button(word, "chip", () => pick(word))));
    section.append(heading, chips);
    return section;
  });
  const none = document.createElement("p");
  none.className = "hint";
  none.textContent = text("compose.none", { word: wanted });
  groups.replaceChildren(...(sections.length ? sections : [none]));
}

/** @param {boolean} open */
function openWords(open) {
  wordsPanel.hidden = !open;
  wordsButton.setAttribute("aria-expanded", String(open));
  if (!open) return target(null);
  target(replacing);
  search.value = "";
  list();
  groups.scrollTop = 0;
  wordsPanel.dispatchEvent(new Event("opened"));
}

/** Put a text in, as if it had been typed. @param {string} text @param {number} [caret] */
export function write(text, caret = text.length) {
  prompt.value = text;
  prompt.setSelectionRange(caret, caret);
  prompt.dispatchEvent(new Event("input"));
}

/** Use these words from now on. @param {string[] | null} words null: everything counts as known */
export function learn(words) {
  vocabulary = words;
  known = new Set(words ?? []);
  wordsButton.hidden = words === null;
  saidLast = "";
  mark();
}

/** @param {{changed: () => void, submit: () => void}} handlers */
export function start({ changed, submit }) {
  prompt.addEventListener("input", () => {
    mark();
    changed();
  });
  prompt.addEventListener("blur", mark);
  document.addEventListener("selectionchange", mark);
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  wordsButton.addEventListener("click", () => openWords(Boolean(wordsPanel.hidden)));
  search.addEventListener("input", list);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    groups.querySelector("button")?.click();
  });
  reflect([]);
}

export const closeWords = () => openWords(false);
