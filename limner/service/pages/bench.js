/** The bench: a picture to work from, what of it may change, and the brush that says where. */

import { text } from "./language.js";
import { maskOf, middle, pen } from "./masks.js";
import { announce, element } from "./page.js";
import * as wording from "./wording.js";
import { Problem, pictureOf, upload } from "./wire.js";

/** @typedef {import("./wire.js").Request} Request */
/** @typedef {"change" | "paint" | "outward"} Way */
/** @typedef {{size: number, points: [number, number][]}} Stroke in shares of the picture's width */

const MOST = 1024; // pixels a side of the mask

const toggle = element("bench-open", HTMLButtonElement);
const panel = element("bench", HTMLElement);
const file = element("file", HTMLInputElement);
const pick = element("pick", HTMLElement);
const easel = element("easel", HTMLElement);
const board = element("board", HTMLElement);
const under = element("under", HTMLCanvasElement);
const over = element("over", HTMLCanvasElement);
const wrong = element("bench-error", HTMLElement);
const strength = element("strength", HTMLInputElement);
const brush = element("brush", HTMLInputElement);
const share = element("share", HTMLInputElement);
const undo = element("undo", HTMLButtonElement);
const invert = element("invert", HTMLButtonElement);

/** @type {{id: string, picture: ImageBitmap, given: import("./masks.js").Given} | null} with the mask of an earlier drawing */
let source = null;
/** @type {ImageBitmap | null} that mask, under the strokes */
let before = null;
/** @type {Stroke[]} */
let strokes = [];
let inverted = false;
/** @type {[number, number]} where the keys have the brush, in shares */
let at = [0.5, 0.5];
/** @type {number | null} width to height of what the model draws, where it has one size */
let shape = null;
/** @type {number | null} how much may change of a mask that was taken over; all where it is null */
let partly = null;
/** @type {{key: string, sent: Partial<Request>} | null} what was asked for last, and for what */
let sent = null;

/** @returns {Way} */
const way = () => /** @type {Way} */ (/** @type {HTMLInputElement} */ (panel.querySelector("[name=way]:checked")).value);

/** All that decides what is asked for of a picture. @param {string} id its own */
const keyOf = (id) => JSON.stringify([way(), id, strokes, inverted, share.value]);

/** Draw the strokes as they are, or all that they leave out. @param {HTMLCanvasElement} canvas @param {string} colour @param {string | null} rest */
function paintStrokes(canvas, colour, rest) {
  const context = pen(canvas);
  const { width, height } = canvas;
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, width, height);
  if (before) context.drawImage(before, 0, 0, width, height);
  context.strokeStyle = context.fillStyle = "#fff";
  context.lineCap = context.lineJoin = "round";
  for (const { size, points } of strokes) {
    context.lineWidth = size * width;
    context.beginPath();
    points.forEach(([x, y], index) => (index ? context.lineTo(x * width, y * height) : context.moveTo(x * width, y * height)));
    const [first] = points;
    if (first && points.length === 1) context.lineTo(first[0] * width + 0.01, first[1] * height);
    context.stroke();
  }
  context.globalCompositeOperation = inverted ? "source-out" : "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, width, height);
  if (rest === null) return;
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = rest;
  context.fillRect(0, 0, width, height);
}

function show() {
  wrong.hidden = true;
  toggle.toggleAttribute("data-changed", source !== null);
  if (source) toggle.dataset.changed = "1";
  pick.hidden = source !== null;
  easel.hidden = source === null;
  if (!source) return;
  const chosen = way();
  const [left, top, wide, high] = cutOf(source.picture);
  const scale = Math.min(1, MOST / Math.max(wide, high));
  const [width, height] = [Math.max(1, Math.round(wide * scale)), Math.max(1, Math.round(high * scale))];
  for (const canvas of [under, over]) Object.assign(canvas, { width, height });
  board.style.aspectRatio = `${width} / ${height}`;
  board.style.setProperty("--ratio", String(width / height));
  board.dataset.way = chosen;
  const part = chosen === "outward" ? Number(share.value) : 1;
  const [w, h] = [Math.round(width * part), Math.round(height * part)];
  const cut = /** @type {const} */ ([source.picture, left, top, wide, high]);
  pen(under).drawImage(...cut, Math.round((width - w) / 2), Math.round((height - h) / 2), w, h);
  if (chosen === "paint") paintStrokes(over, "rgb(74 99 230 / 0.6)", null);
  over.tabIndex = chosen === "paint" ? 0 : -1;
  if (chosen === "paint" && document.activeElement === over) showBrush();
  for (const field of panel.querySelectorAll("[data-for]"))
    /** @type {HTMLElement} */ (field).hidden = !field.getAttribute("data-for")?.split(" ").includes(chosen);
  element("way-hint", HTMLElement).textContent = text(`bench.hint.${chosen}`);
  element("strength-value", HTMLElement).textContent = `${Math.round(100 * Number(strength.value))} %`;
  undo.setAttribute("aria-disabled", String(strokes.length === 0)); // disabled it would lose the focus
  invert.setAttribute("aria-pressed", String(inverted));
}

/** The middle of a picture in the shape that is drawn: all of it, but for what is drawn around. @param {ImageBitmap} picture */
const cutOf = (picture) =>
  middle(picture, way() === "outward" && shape !== null ? shape : picture.width / picture.height);

/** A ring where the keys have the brush. */
function showBrush() {
  const context = pen(over);
  context.globalCompositeOperation = "source-over";
  context.strokeStyle = "#fff";
  context.lineWidth = Math.max(2, over.width / 120);
  context.beginPath();
  context.arc(at[0] * over.width, at[1] * over.height, (Number(brush.value) * over.width) / 2, 0, 2 * Math.PI);
  context.stroke();
}

/** @param {PointerEvent} event @returns {[number, number]} */
function place(event) {
  const box = over.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

function startBrush() {
  /** @type {number | null} the pointer that paints: a second finger or a palm does not */
  let painting = null;
  over.addEventListener("pointerdown", (event) => {
    if (way() !== "paint" || event.button > 0 || painting !== null) return;
    event.preventDefault();
    over.setPointerCapture(event.pointerId);
    painting = event.pointerId;
    strokes.push({ size: Number(brush.value), points: [place(event)] });
    show();
  });
  over.addEventListener("pointermove", (event) => {
    if (painting !== event.pointerId) return;
    strokes.at(-1)?.points.push(place(event));
    show();
  });
  for (const end of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"]))
    over.addEventListener(end, ({ pointerId }) => {
      if (painting === pointerId) painting = null;
    });
  over.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.01 : 0.05;
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (event.key === " ") strokes.push({ size: Number(brush.value), points: [[...at]] });
    else if (move) at = [clamp(at[0] + (move[0] ?? 0)), clamp(at[1] + (move[1] ?? 0))];
    else return;
    event.preventDefault();
    show();
    if (move) announce(text("bench.at", { x: Math.round(at[0] * 100), y: Math.round(at[1] * 100) }), 400);
    else announce(text("bench.painted"));
  });
  for (const turn of ["focus", "blur"]) over.addEventListener(turn, show);
}

/** @param {number} value */
const clamp = (value) => Math.min(1, Math.max(0, value));

/** @param {string} text */
function refuse(text) {
  wrong.textContent = text;
  wrong.hidden = false;
}

/** What is being put on the bench. @type {Promise<void>} */
let taking = Promise.resolve();

/** Let the next drawing wait for what comes to the bench; where that fails it goes on without it.
 * @param {Promise<void>} coming */
function wait(coming) {
  wording.take(null);
  taking = coming.catch(() => {});
  return coming;
}

/** Put a picture that the service has on the bench. @param {string} id */
export const take = (id) => wait(put(id));

/** @param {string} id @param {import("./masks.js").Given} given */
async function put(id, given = {}) {
  open(true);
  try {
    const picture = await pictureOf(id);
    before = await maskOf(given, picture);
    [source, strokes, inverted, partly, sent] = [{ id, picture, given }, [], false, null, null];
    if (before) choose("paint");
    const focused = document.activeElement === file;
    show();
    if (focused) /** @type {HTMLInputElement} */ (easel.querySelector("[name=way]:checked")).focus();
    announce(text("bench.there"));
    easel.scrollIntoView({ block: "nearest" });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    open(true);
    refuse(error.message);
  }
}

/** @param {Blob} picture */
async function bring(picture) {
  wrong.hidden = true;
  pick.setAttribute("aria-busy", "true");
  try {
    await put((await upload(picture)).id);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    open(true);
    refuse(error.errors[0]?.message ?? error.message);
  } finally {
    pick.removeAttribute("aria-busy");
    file.value = "";
  }
}

/** @param {Way} wanted */
function choose(wanted) {
  /** @type {HTMLInputElement} */ (panel.querySelector(`[name=way][value=${wanted}]`)).checked = true;
}

/** Take the picture off the bench. */
export function clear() {
  [source, before, strokes, inverted, sent] = [null, null, [], false, null];
  choose("change");
  show();
}

/** @param {boolean} on */
export function open(on) {
  panel.hidden = !on;
  toggle.setAttribute("aria-expanded", String(on));
  if (on) panel.dispatchEvent(new Event("opened"));
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<string>} the id under which the service keeps it */
async function kept(canvas) {
  /** @type {Blob | null} */
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  if (!blob) throw new Problem(0, text("bench.impossible"));
  return (await upload(blob)).id;
}

/** What a request says of the picture on the bench: nothing where there is none. @returns {Promise<Partial<Request> | null>} null: it said what is missing */
export async function read() {
  await taking;
  if (!source) return {};
  const chosen = way();
  if (chosen === "change") return { image: source.id, strength: Number(strength.value) };
  const key = keyOf(source.id);
  if (sent?.key === key) return sent.sent;
  if (chosen === "paint" && strokes.length === 0 && !before) {
    open(true);
    over.focus();
    refuse(text("bench.paint.first"));
    return null;
  }
  const mask = document.createElement("canvas");
  // The service wants it as large as the picture, which may be larger than what is shown of it.
  const { width, height } = chosen === "paint" ? source.picture : under;
  Object.assign(mask, { width, height });
  if (chosen === "paint") {
    paintStrokes(mask, "#fff", "#000");
    sent = { key, sent: { image: source.id, mask: await kept(mask), ...(partly ? { strength: partly } : {}) } };
    return sent.sent;
  }
  const inside = 1 - Number(share.value);
  const [x, y] = [Math.round((mask.width * inside) / 2), Math.round((mask.height * inside) / 2)];
  const context = pen(mask);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, mask.width, mask.height);
  context.fillStyle = "#000";
  context.fillRect(x + 1, y + 1, mask.width - 2 * x - 2, mask.height - 2 * y - 2);
  // What lies outside goes to the service too: let the picture's colours go on there.
  const whole = document.createElement("canvas");
  Object.assign(whole, { width: under.width, height: under.height });
  pen(whole).drawImage(source.picture, ...cutOf(source.picture), 0, 0, whole.width, whole.height);
  pen(whole).drawImage(under, 0, 0);
  sent = { key, sent: { image: await kept(whole), mask: await kept(mask) } };
  return sent.sent;
}

/**
 * What a request says of it, sent anew where the service no longer has it: it lets go of what it was sent with a job.
 * @param {unknown} error why a request was refused @returns {Promise<Partial<Request>>}
 * @throws that, where it is for something else
 */
export async function renew(error) {
  const gone = error instanceof Problem && error.errors.find(({ field }) => ["image", "mask"].includes(field));
  if (!gone || !source) throw error;
  sent = null;
  if (gone.field === "image") {
    const whole = document.createElement("canvas");
    Object.assign(whole, { width: source.picture.width, height: source.picture.height });
    pen(whole).drawImage(source.picture, 0, 0);
    source.id = await kept(whole);
  }
  return (await read()) ?? {};
}

/** @typedef {NonNullable<ReturnType<typeof draft>>} Draft */

/** What lies there, to be put there again. */
export const draft = () => source && {
  id: source.id, given: source.given, way: way(), strokes, inverted, partly, sent,
  strength: strength.value, share: share.value, shown: !panel.hidden,
};

/** Put there what lay there. @param {Draft} kept */
export const restore = (kept) => wait(put(kept.id, kept.given).then(() => {
  if (source?.id !== kept.id) return;
  [strokes, inverted, partly, sent] = [kept.strokes, kept.inverted, kept.partly, kept.sent];
  [strength.value, share.value] = [kept.strength, kept.share];
  choose(kept.way);
  open(kept.shown);
  show();
}));

/** What an earlier request was made from, put on the bench again. @param {Request} request */
export async function adopt({ image, mask, keep, outward, strength: far, width, height }) {
  clear();
  if (!image) return;
  await wait(put(image, { mask, keep, width, height }).then(() => {
    if (source?.id !== image) return;
    partly = (before && far) || null;
    if (!before && !outward && far) strength.value = String(far);
    if (outward) {
      choose("outward");
      share.value = String(outward);
    }
    // A part that was named, not painted, is named again until something is changed.
    if (keep || outward) sent = { key: keyOf(image), sent: { image, ...(keep ? { keep } : { outward }), strength: far } };
    show();
  }));
}

/** Offer the bench with models that can begin from a picture. @param {boolean} on @param {{width: number, height: number}[]} sizes */
export function offer(on, sizes) {
  toggle.hidden = !on;
  const [only] = sizes;
  shape = only && sizes.length === 1 ? only.width / only.height : null;
  if (on) return show();
  open(false);
  clear();
}

/** Begin. */
export function start() {
  toggle.addEventListener("click", () => open(Boolean(panel.hidden)));
  file.addEventListener("change", () => file.files?.[0] && wait(bring(file.files[0])));
  for (const field of [strength, brush, share]) field.addEventListener("input", show);
  panel.addEventListener("change", show);
  undo.addEventListener("click", () => {
    strokes.pop();
    show();
  });
  invert.addEventListener("click", () => {
    inverted = !inverted;
    show();
  });
  element("unload", HTMLButtonElement).addEventListener("click", () => {
    clear();
    file.focus();
  });
  startBrush();
  const images = (/** @type {DataTransfer | null} */ data) => [...(data?.files ?? [])].find((f) => f.type.startsWith("image/"));
  document.addEventListener("paste", (event) => {
    const pasted = images(event.clipboardData);
    if (pasted && !toggle.hidden) wait(bring(pasted));
  });
  document.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
  document.addEventListener("drop", (event) => {
    const dropped = images(event.dataTransfer);
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    if (dropped && !toggle.hidden) wait(bring(dropped));
  });
  show();
}
