/** The settings drawer: what goes into a request beside the prompt, and what came out of a drawing as text. */

import { text } from "./language.js";
import { element, recall, remember } from "./page.js";

/** @typedef {import("./wire.js").Model} Model */
/** @typedef {import("./wire.js").Job} Job */
/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {import("./wire.js").Request} Request */
/** @typedef {"steps" | "guidance_scale" | "temperature" | "top_k" | "best_of"} Name */
/** @typedef {Partial<Record<Name, number | null>>} Numbers */

const model = element("model", HTMLSelectElement);
const size = element("size", HTMLSelectElement);
const seed = element("seed", HTMLInputElement);
const lock = element("lock", HTMLButtonElement);
const negative = element("negative", HTMLInputElement);
const attention = element("attention", HTMLInputElement);
const toggle = element("settings", HTMLButtonElement);
const panel = element("settings-panel", HTMLElement);

const besides = element("besides", HTMLElement);

const MOST_BESIDE = 2;

/** @type {Model[]} */
let models = [];
let locked = false;
/** @type {Partial<Request>} of a variation whose settings were taken over, until its seed is changed */
let variation = {};

/**
 * Numbers that only some models take, by their names in a request and among a model's limits and defaults.
 * @type {{name: Name, slider: HTMLInputElement, far: number, digits: number}[]} `far` goes a slider, where the model allows it
 */
const NUMBERS = [
  { name: "steps", slider: element("steps", HTMLInputElement), far: 50, digits: 0 },
  { name: "guidance_scale", slider: element("guidance", HTMLInputElement), far: 15, digits: 1 },
  { name: "temperature", slider: element("temperature", HTMLInputElement), far: 2, digits: 2 },
  { name: "top_k", slider: element("top-k", HTMLInputElement), far: 256, digits: 0 },
  { name: "best_of", slider: element("best-of", HTMLInputElement), far: 8, digits: 0 },
];

/** @param {HTMLElement} control */
const fieldOf = (control) => /** @type {HTMLElement} */ (control.closest(".field"));

/** Whether the chosen model takes what a control says. @param {HTMLElement} control */
const taken = (control) => !fieldOf(control).hidden;

/** How a request names a model: with its version where several have the name. @param {Model} one */
export const reference = (one) => (models.filter((m) => m.name === one.name).length > 1 ? `${one.name}@${one.version}` : one.name);

/** The model that is chosen; undefined until the models are known. */
export const chosen = () => models.find((m) => reference(m) === model.value) ?? models[0];

function show() {
  for (const { slider, digits } of NUMBERS)
    element(`${slider.id}-value`, HTMLElement).textContent = Number(slider.value).toFixed(digits);
  /** @type {Numbers | undefined} */
  const preferred = chosen()?.defaults;
  const changed = [
    locked && seed.value !== "",
    ...NUMBERS.map(({ name, slider }) => preferred && taken(slider) && Number(slider.value) !== preferred[name]),
    taken(negative) && negative.value.trim() !== "",
    size.selectedIndex > 0,
    boxes().some((box) => box.checked),
  ].filter(Boolean).length;
  if (changed) toggle.dataset.changed = String(changed);
  else delete toggle.dataset.changed;
}

/** @param {boolean} on */
function setLock(on) {
  locked = on;
  lock.setAttribute("aria-pressed", String(on));
  show();
}

/** A seed for several models at once. */
export const anySeed = () => /** @type {number} */ (crypto.getRandomValues(new Uint32Array(1))[0]);

/** What a request's model is called. @param {Request} request */
export const titleOf = (request) => named(request)?.title || request.model || "";

/** Offer the other models, to draw the same beside it. */
function offerBeside() {
  const others = models.filter((one) => one !== chosen());
  element("beside-field", HTMLElement).hidden = others.length === 0;
  besides.replaceChildren(...others.map((one) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    label.className = "tick";
    Object.assign(box, { type: "checkbox", value: reference(one) });
    label.append(box, `${one.title || one.name} ${one.version}`);
    return label;
  }));
  limitBeside();
}

const boxes = () => [...besides.querySelectorAll("input")];

/** Not more at once than can be looked at beside each other. */
function limitBeside() {
  const full = boxes().filter((box) => box.checked).length >= MOST_BESIDE;
  for (const box of boxes()) box.disabled = full && !box.checked;
  show();
}

/**
 * A request, and the same prompt and seed by each model that is wanted beside it, as that model prefers it.
 * @param {Request} request @returns {Request[]}
 */
export function beside(request) {
  const others = boxes().filter((box) => box.checked).map((box) => box.value);
  if (others.length === 0) return [request];
  const { prompt, attention, readings } = request;
  const seed = request.seed ?? anySeed();
  const same = others.map((other) => ({ prompt, seed, model: other, n: 1, ...(attention ? { attention } : {}), ...(readings ? { readings } : {}) }));
  return [{ ...request, seed, n: 1 }, ...same];
}

/** @param {Model["sizes"]} sizes */
function offerSizes(sizes) {
  size.replaceChildren(...sizes.map(({ width, height }) => new Option(`${width} × ${height}`, `${width}x${height}`)));
  element("size-field", HTMLElement).hidden = sizes.length < 2;
}

/** Show only what the model leaves a choice of. @param {Model["limits"]} limits */
function offerControls(limits) {
  /** @param {string} name @param {HTMLElement} control */
  const offerOne = (name, control) => {
    const [least, most] = limits[name] ?? [0, 0];
    fieldOf(control).hidden = least === most;
  };
  for (const { name, slider } of NUMBERS) offerOne(name, slider);
  offerOne("negative_prompt", negative);
}

/** Set everything to what the model prefers. */
function reset() {
  const one = chosen();
  if (!one) return;
  offerControls(one.limits);
  /** @type {Numbers} */
  const preferred = one.defaults;
  for (const { name, slider, far } of NUMBERS) {
    const [least, most] = one.limits[name] ?? [1, 1];
    const value = preferred[name] ?? least;
    // Where 0 is the bound and not allowed itself, the slider begins a step above it.
    Object.assign(slider, { min: String(Math.max(least, Number(slider.step))), max: String(Math.min(most, Math.max(far, value))) });
    slider.value = String(value);
  }
  negative.value = "";
  seed.value = "";
  variation = {};
  attention.checked = (recall("attention") ?? String(one.small)) === "true";
  offerSizes(one.sizes);
  offerBeside();
  setLock(false);
}

/** @param {boolean} on */
export function openSettings(on) {
  panel.hidden = !on;
  toggle.setAttribute("aria-expanded", String(on));
  if (on) panel.dispatchEvent(new Event("opened"));
}

/** @param {(model: Model) => void} modelChanged */
export function start(modelChanged) {
  toggle.addEventListener("click", () => openSettings(Boolean(panel.hidden)));
  element("defaults", HTMLButtonElement).addEventListener("click", reset);
  lock.addEventListener("click", () => setLock(!locked));
  seed.addEventListener("input", () => {
    variation = {};
    setLock(seed.value.trim() !== "");
  });
  besides.addEventListener("change", limitBeside);
  attention.addEventListener("change", () => remember("attention", String(attention.checked)));
  for (const field of [...NUMBERS.map(({ slider }) => slider), negative, size]) field.addEventListener("input", show);
  model.addEventListener("change", () => {
    const one = chosen();
    remember("model", model.value);
    reset();
    if (one) modelChanged(one);
  });
}

/** @param {Model[]} offered */
export function offer(offered) {
  models = offered;
  model.replaceChildren(...offered.map((m) => new Option(`${m.title || m.name} ${m.version}`, reference(m))));
  element("model-field", HTMLElement).hidden = offered.length < 2;
  const last = named({ prompt: "", model: recall("model") });
  if (last) model.value = reference(last);
  reset();
}

/**
 * What the drawer says, ready to be sent. A seed that is not a number goes as it is: the service says what is
 * wrong with it.
 * @param {boolean} newSeed leave the seed to the service, locked or not
 * @param {boolean} fitted the service may choose the size most like a picture, where none was chosen by hand
 * @returns {Partial<Request>}
 */
export function read(newSeed, fitted) {
  const one = chosen();
  if (!one) return {};
  const [width, height] = size.value.split("x").map(Number);
  const typedSeed = seed.value.trim();
  const typed = /^\d+$/.test(typedSeed) ? Number(typedSeed) : /** @type {any} */ (typedSeed);
  /** @type {Numbers} */
  const numbers = Object.fromEntries(NUMBERS.filter(({ slider }) => taken(slider)).map(({ name, slider }) => [name, Number(slider.value)]));
  return {
    model: reference(one),
    ...numbers,
    ...(taken(negative) ? { negative_prompt: negative.value.trim() } : {}),
    ...(attention.checked ? { attention: true } : {}),
    ...(locked && typedSeed !== "" && !newSeed ? { seed: typed, ...variation } : {}),
    ...(one.sizes.length > 1 && !(fitted && size.selectedIndex === 0) ? { width, height } : {}),
  };
}

/** The model that a request names, while it is offered. @param {Request} request */
const named = (request) => models.find((m) => [reference(m), `${m.name}@${m.version}`].includes(request.model ?? ""));

/** The model that a request names, while it is offered. @param {Request} request */
export const modelOf = (request) => named(request);

/**
 * A request as it can be drawn now: without the model and the size where they are no longer offered, of as many
 * pictures as the page may ask for.
 * @param {Request} request @returns {Request}
 */
export function possible(request) {
  const one = named(request);
  const n = Math.min(request.n ?? 1, (one ?? models[0])?.limits.n?.[1] ?? Infinity);
  if (one?.sizes.some(({ width, height }) => width === request.width && height === request.height)) return { ...request, n };
  const { model: gone, width: _, height: __, ...rest } = request;
  return one ? { ...rest, n, model: gone } : { ...rest, n };
}

/** Show the seed that a picture was drawn with, where none is kept. @param {number} used */
export function noteSeed(used) {
  if (locked && seed.value.trim()) return;
  variation = {};
  seed.value = String(used);
  show();
}

/** Set a slider, however far its model lets it go. @param {HTMLInputElement} slider @param {number} value */
function slide(slider, value) {
  if (value > Number(slider.max)) slider.max = String(value);
  slider.value = String(value);
}

/** @typedef {ReturnType<typeof draft>} Draft */

/** What is set, to be set again. */
export const draft = () => ({
  model: model.value, size: size.value, seed: seed.value, negative: negative.value, locked, variation,
  numbers: NUMBERS.map(({ slider }) => Number(slider.value)),
  besides: boxes().filter((box) => box.checked).map((box) => box.value),
});

/** Set all as it was, where that model is still there. @param {Draft} kept */
export function restore(kept) {
  const one = named({ prompt: "", model: kept.model });
  if (!one) return;
  model.value = reference(one);
  reset();
  NUMBERS.forEach(({ slider }, k) => slide(slider, kept.numbers[k] ?? Number(slider.value)));
  if ([...size.options].some(({ value }) => value === kept.size)) size.value = kept.size;
  [seed.value, negative.value, variation] = [kept.seed, kept.negative, kept.variation];
  for (const box of boxes()) box.checked = kept.besides.includes(box.value);
  limitBeside();
  setLock(kept.locked);
}

/** Take over all that a picture was drawn with. @param {Job} job @param {Picture} picture */
export function adopt({ request }, picture) {
  const drawnWith = named(request);
  if (drawnWith) model.value = reference(drawnWith);
  reset();
  /** @type {Numbers} */
  const numbers = request;
  // The seed is that of the one that was chosen: its setting alone draws it again.
  for (const { name, slider } of NUMBERS) if (numbers[name] && name !== "best_of") slide(slider, Number(numbers[name]));
  negative.value = request.negative_prompt ?? "";
  const wanted = `${picture.width}x${picture.height}`;
  if ([...size.options].some((option) => option.value === wanted)) size.value = wanted;
  seed.value = String(request.variation_strength ? (request.seed ?? picture.seed) : picture.seed);
  const { variation_strength: far } = request;
  variation = far ? { variation_seed: picture.seed, variation_strength: far } : {};
  setLock(true);
}

/** @param {Job} job @param {Picture} picture @returns {[string, string][]} names and values, as people read them */
export function describe({ request, steps: taken }, picture) {
  /** @type {Numbers} */
  const { temperature, top_k: choices, best_of: tries } = request;
  /** @type {[string, string | undefined | null][]} */
  const rows = [
    [text("set.seed"), String(request.variation_strength ? request.seed : picture.seed)],
    [text("fact.variation"), request.variation_strength ? text("fact.variation.far", { seed: picture.seed, share: Math.round(100 * request.variation_strength) }) : null],
    [text("fact.from"), request.mask || request.keep || request.outward ? text("fact.from.part") : request.image ? text("fact.from.picture", { share: Math.round(100 * (request.strength ?? 1)) }) : null],
    [text("set.steps"), String(request.steps ?? taken)],
    [text("set.guidance"), request.guidance_scale?.toFixed(1)],
    [text("set.temperature"), temperature?.toString()],
    [text("set.top-k"), choices?.toString()],
    [text("set.best-of"), tries && tries > 1 ? String(tries) : null],
    [text("fact.without"), request.negative_prompt],
    [text("set.size"), `${picture.width} × ${picture.height}`],
    [text("set.model"), request.model],
  ];
  return /** @type {[string, string][]} */ (rows.filter(([, value]) => value));
}

/** @param {Job} job @param {Picture} picture @returns {string} in the form that other picture tools read */
export function asText({ request, steps: taken }, picture) {
  /** @type {Numbers} */
  const { temperature, top_k: choices } = request;
  const rows = [
    `Steps: ${request.steps ?? taken}`,
    request.guidance_scale ? `CFG scale: ${request.guidance_scale}` : "",
    temperature ? `Temperature: ${temperature}` : "",
    choices ? `Top k: ${choices}` : "",
    `Seed: ${request.variation_strength ? request.seed : picture.seed}`,
    `Size: ${picture.width}x${picture.height}`,
    request.strength ? `Denoising strength: ${request.strength}` : "",
    request.variation_strength ? `Variation seed: ${picture.seed}, Variation seed strength: ${request.variation_strength}` : "",
    request.model ? `Model: ${request.model}` : "",
  ];
  const without = request.negative_prompt ? `Negative prompt: ${request.negative_prompt}\n` : "";
  return `${request.prompt}\n${without}${rows.filter(Boolean).join(", ")}`;
}
