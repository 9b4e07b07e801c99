/** How this very picture came about, in plain words: the words read, the picture drawn step by step, what made it large. */

import { light } from "./glow.js";
import { text, words } from "./language.js";
import { element } from "./page.js";
import { cameUnseen, listen, stepsOf } from "./steps.js";

/** @typedef {import("./wire.js").Job} Job */
/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {import("./wire.js").Step} Step */
/** @typedef {{job: Job, picture: Picture | null}} Shown */

const dialog = element("how", HTMLDialogElement);
const slider = element("how-step", HTMLInputElement);
const sketch = element("how-sketch", HTMLImageElement);
const play = element("how-play", HTMLButtonElement);

/** @type {Shown | null} */
let shown = null;
/** Of the model that draws. */
let family = "";
/** @type {Step[]} */
let steps = [];
let playing = 0;

/** The key of a text, as a family tells it that draws in another way than diffusion. @param {string} key */
const own = (key) => (`${key}.${family}` in words ? `${key}.${family}` : key);

/** What there is to see at a step, as a share of all. @param {number} share */
function seen(share) {
  const always = `how.at.${family}`;
  if (always in words) return text(always);
  if (share < 0.25) return text("how.at.noise");
  if (share < 0.6) return text("how.at.shapes");
  return text(share < 0.9 ? "how.at.details" : "how.at.end");
}

function turn() {
  const step = steps[Number(slider.value)];
  if (!step?.preview) return;
  sketch.src = step.preview;
  element("how-count", HTMLElement).textContent = text("how.step", { step: step.step, steps: step.steps });
  element("how-seen", HTMLElement).textContent = seen(step.step / step.steps);
}

/** Take the steps that are there; while it is drawn the newest one is shown. */
function refresh() {
  if (!shown) return;
  const atEnd = Number(slider.value) >= steps.length - 1;
  // Of several candidates the steps of one were watched, which need not be the one that was kept.
  const tried = shown.picture && (shown.job.request.best_of ?? 1) > 1;
  steps = tried ? [] : stepsOf(shown.job.id, shown.picture?.index ?? 0);
  const some = steps.length > 0;
  element("how-steps", HTMLElement).hidden = !some;
  const unseen = cameUnseen(shown.job.id, shown.picture?.index ?? 0);
  element("how-unseen", HTMLElement).hidden = !unseen;
  element("how-missed", HTMLElement).hidden = some || unseen;
  slider.max = String(Math.max(0, steps.length - 1));
  if (atEnd) slider.value = slider.max;
  turn();
  const last = steps.at(-1);
  if (!last?.preview) return;
  const small = new Image();
  small.src = last.preview;
  small.decode().then(() => decoded(small), () => {});
}

/** Say what made the picture large. @param {HTMLImageElement | null} small the last sketch */
function decoded(small) {
  const picture = shown?.picture;
  const values = { width: small?.naturalWidth ?? 0, height: small?.naturalHeight ?? 0, wide: picture?.width ?? 0, high: picture?.height ?? 0 };
  element("how-decode", HTMLElement).textContent = text(own(small && picture ? "how.decode.sizes" : "how.decode"), values);
  const before = element("how-small", HTMLImageElement);
  before.hidden = small === null;
  if (small) before.src = small.src;
}

function stop() {
  clearInterval(playing);
  playing = 0;
}

/** Go through the steps, from the first. */
function run() {
  stop();
  slider.value = "0";
  turn();
  playing = setInterval(() => {
    if (Number(slider.value) >= steps.length - 1) return stop();
    slider.value = String(Number(slider.value) + 1);
    turn();
  }, 220);
}

/** Say the dialog's own texts as the family tells them. */
function tell() {
  for (const said of dialog.querySelectorAll("[data-say]")) {
    const key = own(said.getAttribute("data-say") ?? "");
    if (key in words) said.textContent = text(key);
  }
}

/** @param {Job} job @param {Picture | null} picture null while it is drawn @param {string} drawnBy the model's family */
function show(job, picture, drawnBy) {
  shown = { job, picture };
  family = drawnBy;
  steps = [];
  tell();
  const final = element("how-final", HTMLImageElement);
  const place = element("how-lit", HTMLElement);
  element("how-lit-picture", HTMLImageElement).hidden = final.hidden = picture === null;
  if (picture) final.src = element("how-lit-picture", HTMLImageElement).src = picture.url;
  final.alt = job.request.prompt;
  const lit = light(element("how-words", HTMLElement), place, job.request.prompt, picture ?? undefined);
  place.hidden = element("how-point", HTMLElement).hidden = !lit;
  const count = job.steps || job.request.steps || 1;
  element("how-draw", HTMLElement).textContent = text(own("how.draw"), { count });
  decoded(null);
  slider.value = slider.max = "0";
  refresh();
  listen(job.id, picture?.index ?? 0, refresh);
}

/** Show how a picture came about. @param {Job} job @param {Picture | null} picture null while it is drawn @param {string} family */
export function explain(job, picture, family) {
  show(job, picture, family);
  dialog.showModal();
  dialog.scrollTop = 0;
}

/** The picture that was being drawn is done. @param {Job} job @param {string} family */
export function arrived(job, family) {
  const picture = job.images[0];
  if (dialog.open && shown?.job.id === job.id && picture && !shown.picture) show(job, picture, family);
}

/** @param {(shown: Shown) => void} again draw a picture again, to watch it */
export function start(again) {
  slider.addEventListener("input", () => {
    stop();
    turn();
  });
  play.addEventListener("click", run);
  dialog.addEventListener("close", stop);
  element("how-close", HTMLButtonElement).addEventListener("click", () => dialog.close());
  element("how-again", HTMLButtonElement).addEventListener("click", () => {
    dialog.close();
    if (shown) again(shown);
  });
}
