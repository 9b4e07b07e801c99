/** The page: starts its parts and brings them together. */

import * as admin from "./admin.js";
import * as bench from "./bench.js";
import * as composer from "./composer.js";
import * as draft from "./draft.js";
import * as drawing from "./drawing.js";
import * as errors from "./errors.js";
import * as history from "./history.js";
import * as how from "./how.js";
import * as pairs from "./pairs.js";
import * as presence from "./presence.js";
import * as readings from "./readings.js";
import * as settings from "./settings.js";
import * as signin from "./signin.js";
import { afresh, near, others } from "./again.js";
import { button, element, remember } from "./page.js";
import * as wording from "./wording.js";
import { offerLanguages, text } from "./language.js";
import { votes } from "./votes.js";
import { Problem, getIdeas, getModels } from "./wire.js";

/** @typedef {import("./wire.js").Job} Job */
/** @typedef {import("./wire.js").Request} Request */
/** @typedef {import("./wire.js").Picture} Picture */

const form = element("form", HTMLFormElement);
const prompt = element("prompt", HTMLTextAreaElement);
const drawButton = element("draw", HTMLButtonElement);
const cancelButton = element("cancel", HTMLButtonElement);
const save = element("save", HTMLAnchorElement);
const vote = votes(element("votes", HTMLElement), element("votes-below", HTMLElement));

/** Whether what was said last is that the service is away. */
let away = false;

function clearErrors() {
  away = false;
  errors.clear();
}

/** Whether nothing is wrong with what was asked: the service is away, or has too much to do. @param {Problem} error */
const failing = ({ status }) => status === 0 || status >= 500 || status === 429;

/** Say beside the field what is wrong, or under the prompt where no field is named. @param {unknown} error */
function report(error) {
  if (!(error instanceof Problem)) throw error;
  away = failing(error);
  if (error.status === 0) presence.lost();
  if (error.status >= 500) presence.check();
  if (error.status === 401) return signin.ask();
  errors.tell(error);
}

/** Whether the wall may be what the browser kept: the service was away when it was loaded. */
let stale = false;

/** Go on where the service is back. */
function back() {
  if (away) clearErrors();
  if (!settings.chosen()) return void meet();
  signin.greet(admin.offer);
  if (stale) history.sift();
  stale = false;
  drawing.resume([]);
}

/** Go on where a session has ended in between: perhaps as somebody else. */
function signedIn() {
  if (!settings.chosen()) return void meet();
  signin.greet(admin.offer);
  history.sift();
}

/** @param {boolean} busy */
function setBusy(busy) {
  const focused = document.activeElement?.closest(busy ? "#draw, #actions, #canvas, #reading" : "#cancel");
  if (busy) {
    vote(null);
    readings.show(null, () => {});
  }
  if (busy) element("how-open", HTMLElement).hidden = false;
  drawButton.hidden = busy;
  cancelButton.hidden = !busy;
  cancelButton.removeAttribute("aria-disabled");
  if (focused) (busy ? cancelButton : drawButton).focus({ preventScroll: true });
  if (busy && matchMedia("(pointer: coarse)").matches) prompt.blur();
}

/** What can be done with what the stage shows. @param {Job[]} jobs */
function settled(jobs) {
  if (jobs.length === 0 && !document.querySelector("#starters button")) offerStarters();
  const pictures = jobs.flatMap((job) => job.images.map((picture) => ({ job, picture })));
  const [first] = pictures;
  const alone = pictures.length === 1;
  save.hidden = element("copy", HTMLElement).hidden = !alone;
  element("again", HTMLElement).hidden = false;
  element("alike", HTMLElement).hidden = !alone;
  element("work", HTMLElement).hidden = !alone || !settings.chosen()?.edits;
  const one = alone && first ? { id: first.picture.id, prompt: first.job.request.prompt } : null;
  vote(one);
  readings.show(alone && first ? first.job : null, (taken) => {
    if (first) draw([{ ...afresh(wording.of(first)), readings: taken }]);
  });
  const prompts = new Set(jobs.map((job) => job.request.prompt)).size;
  element("reword", HTMLElement).hidden = !alone;
  element("how-open", HTMLElement).hidden = !first;
  element("compare", HTMLElement).hidden = prompts > 1 || new Set(pictures.map(({ picture }) => picture.id)).size < 2;
  if (!first) return;
  save.href = first.picture.url;
  save.download = history.fileName(first);
  const { variation_strength: varied, best_of: tries, seed: begun } = first.job.request;
  if (!varied) settings.noteSeed((tries ?? 1) > 1 ? (begun ?? first.picture.seed) : first.picture.seed);
}

/** @param {Job[]} jobs that have just ended */
function drawn(jobs) {
  for (const job of jobs) how.arrived(job, familyOf(job));
}

/** @type {object | null} the press of "Draw" that waits for the bench */
let pressed = null;

/**
 * Draw. @param {Request[]} requests @param {Job | null} [given] the first one's, where it is there
 * @param {(error: unknown) => Promise<Partial<Request>>} [renew] what else to ask for, where a request is refused
 */
function draw(requests, given, renew) {
  pressed = null;
  clearErrors();
  return drawing.draw(requests, given, renew);
}

/** Wait no longer for the bench. */
function letGo() {
  pressed = null;
  if (drawing.isDrawing()) return;
  setBusy(false);
  settled(drawing.onStage());
}

/** @param {boolean} newSeed */
async function submit(newSeed = false) {
  clearErrors();
  const said = prompt.value.trim();
  if (!said) {
    errors.show("prompt", text("say.nothing"));
    return prompt.focus();
  }
  const beside = wording.taken();
  if (beside) return void reworded(beside, said);
  const n = Number(new FormData(form).get("count"));
  // What is asked for is what stands there now: the bench may take a while.
  const words = { prompt: said, ...readings.read(said), n };
  const alone = settings.beside({ ...words, ...settings.read(newSeed, false) });
  const fitted = { ...words, ...settings.read(newSeed, true) };
  const mine = (pressed = {});
  setBusy(true);
  try {
    const from = await bench.read();
    if (mine !== pressed) return;
    if (!from) return letGo();
    draw("image" in from ? [{ ...fitted, ...from }] : alone, null, bench.renew);
  } catch (error) {
    if (mine !== pressed) return;
    letGo();
    report(error);
  }
}

/** Draw a picture in other words, beside itself. @param {{job: Job, picture: Picture}} made @param {string} words */
function reworded({ job, picture }, words) {
  clearErrors();
  if (words === job.request.prompt) return errors.show("prompt", text("wording.same"));
  const same = afresh(wording.of({ job, picture }));
  const given = { ...job, request: { ...job.request, n: 1 }, images: [picture], withheld: [] };
  draw([same, { ...same, prompt: words, derived_from: picture.id }], given);
}

/** @param {Job} job */
const familyOf = (job) => settings.modelOf(job.request)?.family ?? "diffusion";

/** Take a picture to be drawn in other words. @param {{job: Job, picture: Picture}} made */
function reword(made) {
  wording.take(made);
  composer.write(made.job.request.prompt);
  prompt.focus();
}

/** Draw four near a picture. @param {{job: Job, picture: Picture}} made */
const more = (made) => void draw([near(made)]);

async function cancel() {
  if (pressed) return letGo();
  if (!drawing.isDrawing()) return;
  cancelButton.setAttribute("aria-disabled", "true");
  if (!(await drawing.cancel())) cancelButton.removeAttribute("aria-disabled");
}

/** Get to know the models, ideas and what was made. */
async function meet() {
  try {
    const models = await getModels();
    settings.offer(models);
    draft.restore(() => {
      const one = settings.chosen();
      if (one) introduce(one);
    });
  } catch (error) {
    if (error instanceof Problem && failing(error)) presence.lost();
    report(error);
    return;
  }
  presence.check().then((ok) => (stale = !ok));
  signin.greet(admin.offer);
  if (await drawing.resume(await history.load())) return;
  await offerStarters();
}

const idle = () => !drawing.isDrawing() && drawing.onStage().length === 0;

/** Sentences that the chosen model knows. @param {number} count */
async function ideasFor(count) {
  const one = settings.chosen();
  return one ? getIdeas(count, settings.reference(one)) : [];
}

/** Where nothing is drawn yet: three sentences to begin with. */
async function offerStarters() {
  if (!idle()) return;
  const model = settings.chosen();
  const ideas = await ideasFor(9).catch(() => []);
  // An answer may come after another model was chosen, and after that one's own answer.
  if (!idle() || settings.chosen() !== model) return;
  const short = ideas.sort((a, b) => Number(a.length > 42) - Number(b.length > 42)).slice(0, 3);
  const [shortest] = [...ideas].sort((a, b) => a.length - b.length);
  if (shortest) element("prompt", HTMLTextAreaElement).placeholder = shortest;
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

/** Let the page be there without the service, from the first visit on. @param {Promise<void>} met */
async function keep(met) {
  const before = navigator.serviceWorker.controller;
  await navigator.serviceWorker.register("/pages/worker.js", { scope: "/" });
  const { active } = await navigator.serviceWorker.ready;
  await met;
  const parts = performance.getEntriesByType("resource").map(({ name }) => name);
  if (!before) active?.postMessage({ keep: [new URL("/", location.href).href, ...parts] });
}

startTheme();
element("language", HTMLSelectElement).addEventListener("change", draft.keep); // before what reloads the page
offerLanguages(element("language", HTMLSelectElement));
presence.start(back);
signin.start(signedIn);
document.addEventListener("signin-needed", signin.ask);
if (matchMedia("(hover: hover)").matches) prompt.focus({ preventScroll: true });
composer.start({ changed: clearErrors, submit });
bench.start();
pairs.start();
wording.start();
admin.start();
how.start(({ job, picture }) => {
  if (picture) draw([{ ...afresh(wording.of({ job, picture })), anew: true }]);
});
settings.start((model) => {
  wording.take(null);
  introduce(model);
  offerStarters();
});
drawing.start({
  busy: setBusy, settled, drawn, refused: report, connected: (ok) => (ok ? presence.found() : presence.lost()),
});
history.start({
  more,
  reword,
  explain: ({ job, picture }) => how.explain(job, picture, familyOf(job)),
  forgotten: (job) => {
    if (wording.taken()?.job.id === job.id) wording.take(null);
    drawing.forget(job);
  },
  work: ({ picture }) => bench.take(picture.id),
  refused: report,
  usePrompt: ({ job }) => {
    composer.write(job.request.prompt);
    prompt.focus();
  },
  useAll: ({ job, picture }) => {
    wording.take(null);
    settings.adopt(job, picture);
    readings.adopt(job.request);
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
  const elsewhere = event.target instanceof Element && event.target.closest("dialog, .panel, input[type=search]");
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && !event.defaultPrevented && !event.isComposing && !elsewhere) cancel();
});
element("again", HTMLButtonElement).addEventListener("click", () => {
  const jobs = drawing.onStage();
  if (jobs.length === 0) return void submit(true);
  draw(others(jobs));
});
for (const [id, use] of /** @type {const} */ ([
  ["copy", history.copySettings],
  ["alike", more],
  ["reword", reword],
  ["work", (/** @type {{picture: Picture}} */ { picture }) => bench.take(picture.id)],
]))
  element(id, HTMLButtonElement).addEventListener("click", () => {
    const job = drawing.onStage().find(({ images }) => images.length > 0);
    const picture = job?.images[0];
    if (job && picture) use({ job, picture });
  });
element("compare", HTMLButtonElement).addEventListener("click", () => {
  const jobs = drawing.onStage();
  if (jobs[0]) pairs.compare(jobs[0].request.prompt, jobs.flatMap((job) => job.images));
});
element("how-open", HTMLButtonElement).addEventListener("click", () => {
  const now = drawing.now();
  if (now) how.explain(now.job, now.picture, familyOf(now.job));
});
element("idea", HTMLButtonElement).addEventListener("click", async () => {
  try {
    const [idea] = await ideasFor(1);
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
const met = meet();
if (navigator.serviceWorker) keep(met).catch(() => {});
