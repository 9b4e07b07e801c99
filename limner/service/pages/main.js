/** The page: starts its parts and leads a drawing from the request to its end. */

import * as bench from "./bench.js";
import * as composer from "./composer.js";
import * as history from "./history.js";
import * as settings from "./settings.js";
import * as stage from "./stage.js";
import { announce, button, element, recall, remember } from "./page.js";
import { Problem, cancelJob, createJob, getIdeas, getJob, getModels, hasEnded, reachable, watch } from "./wire.js";

/** @typedef {import("./wire.js").Job} Job */
/** @typedef {import("./wire.js").Request} Request */
/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {{request: Request, job: Job | null, images: Picture[], cancelled: boolean, stop: () => void}} Drawing */

const form = element("form", HTMLFormElement);
const prompt = element("prompt", HTMLTextAreaElement);
const drawButton = element("draw", HTMLButtonElement);
const cancelButton = element("cancel", HTMLButtonElement);
const save = element("save", HTMLAnchorElement);
const offline = element("offline", HTMLElement);

/** @type {Drawing | null} what is being drawn now */
let drawing = null;
/** @type {Job | null} what the stage shows */
let shown = null;

const FIELDS = { prompt: "prompt", seed: "seed", steps: "steps", guidance_scale: "guidance", negative_prompt: "negative" };

function clearErrors() {
  for (const id of Object.values(FIELDS)) {
    element(`${id}-error`, HTMLElement).hidden = true;
    element(id, HTMLElement).removeAttribute("aria-invalid");
  }
}

/** @param {string} id @param {string} text */
function showError(id, text) {
  const place = element(`${id}-error`, HTMLElement);
  place.textContent = text;
  place.hidden = false;
  element(id, HTMLElement).setAttribute("aria-invalid", "true");
  if (id !== "prompt") settings.openSettings(true);
}

/** @param {import("./wire.js").FieldError} wrong */
const sentence = ({ message, allowed }) => (allowed ? `Allowed: ${allowed}.` : message);

/** What is wrong in a field that has no place of its own: of a picture the reason says more than what is allowed.
 * @param {import("./wire.js").FieldError | undefined} wrong */
const told = (wrong) => wrong && (["image", "mask"].includes(wrong.field) ? wrong.message : `${wrong.field}: ${sentence(wrong)}`);

/** Say beside the field what is wrong, or under the prompt where no field is named. @param {unknown} error */
function report(error) {
  if (!(error instanceof Problem)) throw error;
  if (error.status === 0) lost();
  const named = error.errors.filter(({ field }) => field in FIELDS);
  for (const wrong of named) showError(FIELDS[/** @type {keyof typeof FIELDS} */ (wrong.field)], sentence(wrong));
  const [first] = error.errors;
  if (named.length === 0) showError("prompt", told(first) ?? error.message);
}

let probing = 0;

/** Say that the service is away, and ask until it is back. */
function lost() {
  offline.hidden = false;
  if (probing) return;
  probing = setInterval(async () => {
    if (await reachable()) found();
  }, 2500);
}

function found() {
  clearInterval(probing);
  probing = 0;
  if (offline.hidden) return;
  offline.hidden = true;
  announce("The service answers again.");
  if (!settings.chosen()) meet();
}

/** @param {boolean} busy */
function setBusy(busy) {
  const focused = document.activeElement === drawButton || document.activeElement === cancelButton;
  drawButton.hidden = busy;
  cancelButton.hidden = !busy;
  cancelButton.removeAttribute("aria-disabled");
  if (focused) (busy ? cancelButton : drawButton).focus();
}

/** @param {Job} job @returns {string} */
function plate(job) {
  const first = job.images[0];
  if (!first) return "";
  const seeds = job.images.length > 1 ? `${job.images.length} pictures` : `Seed ${first.seed}`;
  const steps = job.steps || job.request.steps;
  return [seeds, steps === 1 ? "1 step" : `${steps} steps`, job.request.model].filter(Boolean).join(" · ");
}

/** Show a finished job on the stage. @param {Job} job */
function settle(job) {
  shown = job;
  job.images.forEach((picture, index) => stage.finished(picture, picture.index ?? index, job.request.prompt));
  stage.explained(job.request.prompt, job.images);
  const first = job.images[0];
  save.hidden = element("copy", HTMLElement).hidden = !first;
  element("alike", HTMLElement).hidden = job.images.length !== 1;
  element("work", HTMLElement).hidden = job.images.length !== 1 || !settings.chosen()?.edits;
  if (first) {
    save.href = first.url;
    save.download = history.fileName({ job, picture: first });
  }
  if (job.state === "succeeded") stage.succeeded(plate(job));
  else if (job.state === "cancelled") stage.ended("cancelled", "Stopped");
  else stage.ended("failed", job.error ?? "The picture could not be drawn.");
}

/** Follow a job that the service has accepted. @param {Drawing} mine @param {Job} job */
function follow(mine, job) {
  mine.job = job;
  remember("drawing", job.id);
  mine.stop = watch(job.id, {
    queued: stage.waiting,
    step: stage.stepped,
    image: (picture) => {
      mine.images.push(picture);
      stage.finished(picture, picture.index ?? 0, mine.request.prompt);
    },
    connected: (ok) => (ok ? found() : lost()),
    ended: (last) => {
      remember("drawing", null);
      drawing = null;
      setBusy(false);
      const job = last.request.prompt ? last : { ...last, request: mine.request };
      settle(job);
      history.add(job);
      if (job.images[0] && !job.request.variation_strength) settings.noteSeed(job.images[0].seed);
    },
  });
}

/** @param {Request} request @returns {Drawing} */
function begin(request) {
  drawing = { request, job: null, images: [], cancelled: false, stop: () => {} };
  const mine = drawing;
  stage.begin(request.prompt, request.n ?? 1, (index) => {
    const job = mine === drawing ? mine.job && { ...mine.job, images: mine.images } : shown;
    if (job) history.viewJob(job, index);
  });
  setBusy(true);
  if (matchMedia("(pointer: coarse)").matches) prompt.blur();
  stage.reveal();
  return mine;
}

/** Draw. The same request as the one being drawn is left alone; another one takes its place. @param {Request} request */
async function draw(request) {
  if (drawing && JSON.stringify(drawing.request) === JSON.stringify(request)) return;
  clearErrors();
  if (!request.prompt.trim()) {
    showError("prompt", "Say in a few words what the picture shows.");
    prompt.focus();
    return;
  }
  if (drawing) {
    const old = drawing;
    old.cancelled = true;
    old.stop();
    if (old.job) cancelJob(old.job.id).catch(() => {});
  }
  const mine = begin(request);
  const before = shown;
  try {
    const job = await createJob(request);
    if (mine.cancelled) await cancelJob(job.id);
    if (mine === drawing) follow(mine, job);
  } catch (error) {
    if (mine !== drawing) return;
    drawing = null;
    setBusy(false);
    if (before) {
      stage.begin(before.request.prompt, before.images.length || 1, (index) => history.viewJob(before, index));
      settle(before);
    } else stage.ended("failed", "");
    report(error);
  }
}

/** @param {boolean} newSeed */
async function submit(newSeed = false) {
  const count = new FormData(form).get("count");
  try {
    const from = await bench.read();
    if (from) await draw({ prompt: prompt.value.trim(), ...settings.read(newSeed, "image" in from), ...from, n: Number(count) });
  } catch (error) {
    report(error);
  }
}

/**
 * Four near a picture: of one that came from noise alone its variations, of any other new beginnings from it.
 * @param {{job: Job, picture: Picture}} made
 */
function more({ job, picture }) {
  const { seed, variation_seed: _, variation_strength: varied, image, mask: __, strength: ___, ...same } = job.request;
  const near = !varied && !image ? { seed: picture.seed, variation_strength: 0.3 } : { image: picture.id, strength: 0.5 };
  draw({ ...settings.possible(same), ...near, n: 4 });
}

async function cancel() {
  if (!drawing || drawing.cancelled) return;
  const mine = drawing;
  mine.cancelled = true;
  cancelButton.setAttribute("aria-disabled", "true");
  stage.say("Stopping…");
  try {
    if (mine.job) await cancelJob(mine.job.id);
  } catch (error) {
    if (mine !== drawing) return;
    mine.cancelled = false;
    cancelButton.removeAttribute("aria-disabled");
    report(error);
  }
}

/** Take up the drawing that was under way when the page was left, or show the last one. @param {Job[]} recent */
async function resume(recent) {
  const id = recall("drawing");
  if (id !== null && !drawing) {
    const job = await getJob(id).catch(() => null);
    if (job && !hasEnded(job)) return follow(begin({ ...job.request, n: job.request.n ?? 1 }), job);
    remember("drawing", null);
  }
  const last = recent.find((job) => job.state === "succeeded" && job.images.length > 0);
  if (drawing || !last) return;
  stage.begin(last.request.prompt, last.images.length, (index) => history.viewJob(last, index));
  settle(last);
  announce("");
}

/** Get to know the models, ideas and what was made. */
async function meet() {
  try {
    const models = await getModels();
    settings.offer(models);
    const one = settings.chosen();
    if (one) introduce(one);
  } catch (error) {
    report(error);
    return;
  }
  await resume(await history.load());
  if (shown || drawing) return;
  const ideas = await getIdeas(9).catch(() => []);
  if (shown || drawing) return;
  const short = ideas.sort((a, b) => Number(a.length > 42) - Number(b.length > 42)).slice(0, 3);
  // A drawing that was begun and given up meanwhile has cleared the frame of its starters.
  document.getElementById("starters")?.replaceChildren(...short.map((idea) => button(idea, "chip", () => {
    composer.write(idea);
    submit();
  })));
}

/** @param {import("./wire.js").Model} model */
function introduce(model) {
  composer.learn(model.vocabulary);
  bench.offer(model.edits, model.sizes);
  element("viewer-work", HTMLElement).hidden = !model.edits;
  element("small", HTMLElement).hidden = !model.small;
  const card = element("card", HTMLAnchorElement);
  card.hidden = !model.card;
  if (model.card) card.href = model.card;
}

function startTheme() {
  const toggle = element("theme", HTMLButtonElement);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const show = () => {
    const dark = (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
    toggle.setAttribute("aria-pressed", String(dark));
    return dark;
  };
  system.addEventListener("change", show);
  toggle.addEventListener("click", () => {
    const next = show() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    remember("theme", next);
    show();
  });
  show();
}

startTheme();
if (matchMedia("(hover: hover)").matches) prompt.focus({ preventScroll: true });
composer.start({ changed: clearErrors, submit });
bench.start();
settings.start(introduce);
history.start({
  more,
  work: ({ picture }) => bench.take(picture.id),
  usePrompt: ({ job }) => {
    composer.write(job.request.prompt);
    prompt.focus();
  },
  useAll: ({ job, picture }) => {
    settings.adopt(job, picture);
    const one = settings.chosen();
    if (one) introduce(one);
    if (one?.edits) bench.adopt(job.request);
    composer.write(job.request.prompt);
    settings.openSettings(true);
    prompt.focus();
  },
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
cancelButton.addEventListener("click", cancel);
document.addEventListener("keydown", (event) => {
  const elsewhere = event.target instanceof Element && event.target.closest("dialog, .panel");
  if (event.key === "Escape" && !event.defaultPrevented && !event.isComposing && !elsewhere) cancel();
});
element("again", HTMLButtonElement).addEventListener("click", () => {
  if (!shown) {
    submit(true);
    return;
  }
  const { seed: _, ...same } = shown.request;
  draw({ ...settings.possible(same), n: same.n ?? 1 });
});
for (const [id, use] of /** @type {const} */ ([
  ["copy", history.copySettings],
  ["alike", more],
  ["work", (/** @type {{picture: Picture}} */ { picture }) => bench.take(picture.id)],
]))
  element(id, HTMLButtonElement).addEventListener("click", () => {
    const picture = shown?.images[0];
    if (shown && picture) use({ job: shown, picture });
  });
element("idea", HTMLButtonElement).addEventListener("click", async () => {
  try {
    const [idea] = await getIdeas(1);
    if (idea) composer.write(idea);
    prompt.focus({ preventScroll: true });
  } catch (error) {
    report(error);
  }
});
for (const [id, closeOther] of /** @type {const} */ ([
  ["words-panel", () => [settings.openSettings(false), bench.open(false)]],
  ["settings-panel", () => [composer.closeWords(), bench.open(false)]],
  ["bench", () => [composer.closeWords(), settings.openSettings(false)]],
]))
  element(id, HTMLElement).addEventListener("opened", (event) => {
    closeOther();
    /** @type {HTMLElement} */ (event.currentTarget).scrollIntoView({ block: "nearest" });
  });
meet();
