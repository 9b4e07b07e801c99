/** My pictures: a wall of them that can be searched, more of it as one scrolls, and one of them large. */

import { light } from "./glow.js";
import { text } from "./language.js";
import { lineage } from "./lineage.js";
import { votes } from "./votes.js";
import { announce, come, element, toast } from "./page.js";
import { Problem, forgetPicture, getJobs, getPins, setPin } from "./wire.js";
import { asText, describe } from "./settings.js";

/** @typedef {import("./wire.js").Job} Job */
/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {{job: Job, picture: Picture}} Made */

const section = element("history", HTMLElement);
const wall = element("wall", HTMLElement);
const more = element("more", HTMLButtonElement);
const viewer = element("viewer", HTMLDialogElement);
const canvas = element("viewer-canvas", HTMLElement);
const newer = element("newer", HTMLButtonElement);
const find = element("find", HTMLInputElement);
const title = element("viewer-title", HTMLElement);
const onlyPinned = element("only-pinned", HTMLButtonElement);
const pin = element("viewer-pin", HTMLButtonElement);
const remove = element("viewer-delete", HTMLButtonElement);
const vote = votes(element("viewer-votes", HTMLElement), element("viewer-votes-below", HTMLElement));
const older = element("older", HTMLButtonElement);

/** @type {Made[]} what hangs on the wall, newest first */
let hung = [];
/** @type {Made[]} what the viewer leafs through */
let leaves = [];
let at = 0;
/** @type {string | null} */
let next = null;
let loading = false;
/** @type {Set<string>} ids of what is pinned */
let pins = new Set();
let looking = 0;
let failing = false; // to load more
/** @type {(error: unknown) => void} */
let refused = () => {};

/** What is looked for. */
const wanted = () => ({ search: find.value.trim(), pinned: onlyPinned.getAttribute("aria-pressed") === "true" });

/** Whether a part of the pictures is looked for. */
const sifted = () => wanted().search !== "" || wanted().pinned;

/** @param {Job} job @returns {Made[]} */
const madeBy = (job) => job.images.map((picture) => ({ job, picture }));

/** A name for a downloaded picture. @param {Made} made */
export function fileName({ job, picture }) {
  const words = job.request.prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ["picture"];
  return `${words.join("-").slice(0, 60)}-${picture.seed}.png`;
}

/** @param {Made} made */
export async function copySettings({ job, picture }) {
  try {
    await navigator.clipboard.writeText(asText(job, picture));
    toast(text("copied"));
  } catch {
    toast(text("copied.not"));
  }
}

/** @param {Made} made */
function hang(made) {
  const item = document.createElement("li");
  const open = document.createElement("button");
  const image = new Image();
  const mark = document.createElement("span");
  open.type = "button";
  image.loading = "lazy";
  image.alt = made.job.request.prompt;
  void come(image, made.picture.url);
  mark.className = "sr";
  mark.textContent = text("gallery.marked");
  open.append(image, mark);
  open.addEventListener("click", () => view(hung, hung.indexOf(made)));
  item.append(open);
  item.dataset.job = made.job.id;
  item.dataset.image = made.picture.id;
  markPin(item);
  return item;
}

/** Mark on the wall whether a picture is pinned. @param {HTMLLIElement} item */
function markPin(item) {
  const on = pins.has(item.dataset.image ?? "");
  item.toggleAttribute("data-pinned", on);
  for (const mark of item.querySelectorAll("span")) mark.hidden = !on;
}

/** Focus a picture on the wall, else the last one, else where one looks for others or asks for one.
 * @param {Element | null} [item] */
function focusOn(item) {
  const button = (item ?? wall.lastElementChild)?.querySelector("button");
  (button ?? (section.hidden ? element("prompt", HTMLTextAreaElement) : find)).focus();
}

/** Hang new pictures first. @param {Job} job */
export function add(job) {
  if (sifted()) return;
  const fresh = madeBy(job).filter(({ picture }) => !hung.some((h) => h.job.id === job.id && h.picture.id === picture.id));
  hung = [...fresh, ...hung];
  wall.prepend(...fresh.map(hang));
  section.hidden = hung.length === 0;
}

/** Look anew for what is wanted. */
export async function sift() {
  looking += 1;
  hung = [];
  next = null;
  loading = false;
  wall.replaceChildren();
  await load();
}

/** Load the next part of the wall. @returns {Promise<Job[]>} what was loaded, newest first */
export async function load() {
  if (loading) return [];
  loading = true;
  const mine = looking;
  try {
    if (next === null) pins = new Set(await getPins());
    const found = await getJobs(next, 24, wanted());
    if (mine !== looking) return [];
    failing = false;
    next = found.next;
    const here = found.jobs.flatMap(madeBy).filter(({ picture }) => !wanted().pinned || pins.has(picture.id));
    const made = here.filter(({ job }) => !hung.some((h) => h.job.id === job.id));
    const items = made.map(hang);
    hung.push(...made);
    wall.append(...items);
    section.hidden = hung.length === 0 && next === null && !sifted();
    element("nothing", HTMLElement).hidden = hung.length > 0 || next !== null || !sifted();
    if (next === null && document.activeElement === more) focusOn(items[0]);
    more.hidden = next === null;
    return found.jobs;
  } catch (error) {
    if (mine !== looking) return [];
    const status = error instanceof Problem ? error.status : 0;
    if (status === 404 && next !== null) {
      await sift(); // The job from which on it was asked is gone.
      return [];
    }
    failing = true;
    more.hidden = section.hidden = false;
    if (status === 401) refused(error);
    else toast(/** @type {Error} */ (error).message);
    return [];
  } finally {
    if (mine === looking) loading = false;
  }
}

function turn() {
  const made = leaves[at];
  if (!made) return;
  const image = new Image();
  image.alt = made.job.request.prompt;
  void come(image, made.picture.url);
  canvas.replaceChildren(image);
  vote({ id: made.picture.id, prompt: made.job.request.prompt });
  showPin(made);
  askDelete(false);
  const open = (/** @type {string} */ id) => {
    // Where it hangs is asked when it is opened: by then others may have been hung before it.
    const place = () => hung.findIndex((one) => one.picture.id === id);
    return place() < 0 ? null : () => place() >= 0 && go(hung, place());
  };
  void lineage(element("viewer-kin", HTMLElement), made, open, go);
  light(title, canvas, made.job.request.prompt, made.picture);
  element("viewer-facts", HTMLElement).replaceChildren(
    ...describe(made.job, made.picture).map(([name, value]) => {
      const row = document.createElement("div");
      const term = document.createElement("dt");
      const definition = document.createElement("dd");
      term.textContent = name;
      definition.textContent = value;
      row.append(term, definition);
      return row;
    }),
  );
  const save = element("viewer-save", HTMLAnchorElement);
  save.href = made.picture.url;
  save.download = fileName(made);
  // A disabled button would lose the focus, and the viewer the arrow keys.
  newer.setAttribute("aria-disabled", String(at === 0));
  older.setAttribute("aria-disabled", String(at === leaves.length - 1));
}

/** @param {number} by */
function leaf(by) {
  const to = at + by;
  if (to < 0 || to >= leaves.length) return;
  at = to;
  turn();
  announce(text("viewer.at", { at: at + 1, of: leaves.length, prompt: leaves[at]?.job.request.prompt ?? "" }));
}

/** @param {Made[]} made @param {number} index */
function show(made, index) {
  leaves = made;
  at = index;
  turn();
  viewer.scrollTop = 0;
}

/** Go on to a picture's kin: the button that was pressed is gone then, and with it the focus.
 * @param {Made[]} made @param {number} index */
function go(made, index) {
  show(made, index);
  title.focus({ preventScroll: true });
}

/** Show pictures large, one at a time. @param {Made[]} made @param {number} index */
export function view(made, index) {
  show(made, index);
  viewer.showModal();
}

/** @param {Made} made */
function showPin({ picture }) {
  pin.textContent = text(pins.has(picture.id) ? "gallery.unpin" : "gallery.pin");
}

/** @param {boolean} sure whether the next press deletes */
function askDelete(sure) {
  remove.dataset.sure = String(sure);
  remove.textContent = text(sure ? "gallery.sure" : "gallery.delete");
}

/** @param {() => Promise<unknown>} change @returns {Promise<boolean>} whether it was done */
async function tried(change) {
  try {
    await change();
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message);
    return false;
  }
}

async function togglePin() {
  const made = leaves[at];
  if (!made) return;
  const on = !pins.has(made.picture.id);
  if (!(await tried(() => setPin(made.picture.id, on)))) return;
  if (on) pins.add(made.picture.id);
  else pins.delete(made.picture.id);
  for (const item of wall.querySelectorAll("li")) markPin(item);
  showPin(made);
}

/** Let go of a picture that the browser keeps: for when the service is away, and as one that never changes.
 * @param {Picture} picture */
async function letGo({ url, attention }) {
  const urls = [url, ...(attention?.maps ?? []).map((map) => map.url)];
  for (const name of await (globalThis.caches?.keys() ?? [])) {
    const kept = await caches.open(name);
    await Promise.all(urls.map((one) => kept.delete(one, { ignoreVary: true })));
  }
  await Promise.allSettled(urls.map((one) => fetch(one, { cache: "reload" })));
}

/** @param {(job: Job) => void} forgotten */
async function deleteShown(forgotten) {
  const made = leaves[at];
  if (!made) return;
  if (remove.dataset.sure !== "true") return askDelete(true);
  const { id } = made.picture;
  if (!(await tried(() => forgetPicture(id)))) return;
  for (const { job } of [made, ...hung]) job.images = job.images.filter((picture) => picture.id !== id);
  hung = hung.filter(({ picture }) => picture.id !== id);
  const items = [...wall.querySelectorAll("li")].filter((item) => item.dataset.image === id);
  const beside = items.at(-1)?.nextElementSibling ?? items[0]?.previousElementSibling;
  for (const item of items) item.remove();
  section.hidden = hung.length === 0 && next === null && !sifted();
  viewer.close();
  toast(text("gallery.deleted"));
  forgotten(made.job);
  // What had the focus before may be gone with the picture.
  const { activeElement: focused } = document;
  if (focused === document.body || viewer.contains(focused)) focusOn(beside);
  await letGo(made.picture);
}

/** Show a picture of a job large, where it is there. @param {Job} job @param {number} index its number within the job */
export function viewJob(job, index) {
  const place = job.images.findIndex((picture, position) => (picture.index ?? position) === index);
  if (place >= 0) view(madeBy(job), place);
}

/** @param {{forgotten: (job: Job) => void, refused: (error: unknown) => void} & Record<"usePrompt" | "useAll" | "more" | "work" | "reword" | "explain", (made: Made) => void>} handlers what the viewer's buttons do */
export function start({ usePrompt, useAll, more: alike, work, reword, explain, forgotten, refused: report }) {
  refused = report;
  title.tabIndex = -1;
  newer.addEventListener("click", () => leaf(-1));
  older.addEventListener("click", () => leaf(1));
  viewer.addEventListener("keydown", (event) => {
    if (event.target instanceof Element && event.target.closest("input, textarea")) return;
    if (event.key === "ArrowLeft") leaf(-1);
    if (event.key === "ArrowRight") leaf(1);
  });
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer) viewer.close();
  });
  element("close", HTMLButtonElement).addEventListener("click", () => viewer.close());
  element("viewer-copy", HTMLButtonElement).addEventListener("click", () => {
    const made = leaves[at];
    if (made) copySettings(made);
  });
  for (const [id, use] of /** @type {const} */ ([
    ["use-prompt", usePrompt], ["use-all", useAll], ["viewer-alike", alike], ["viewer-work", work],
    ["viewer-reword", reword], ["viewer-how", explain],
  ]))
    element(id, HTMLButtonElement).addEventListener("click", () => {
      const made = leaves[at];
      viewer.close();
      if (made) use(made);
    });
  pin.addEventListener("click", togglePin);
  remove.addEventListener("click", () => deleteShown(forgotten));
  let typing = 0;
  find.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(sift, 250);
  });
  onlyPinned.addEventListener("click", () => {
    onlyPinned.setAttribute("aria-pressed", String(!wanted().pinned));
    sift();
  });
  more.addEventListener("click", load);
  const observer = new IntersectionObserver(async (seen) => {
    if (next === null || !seen.some((s) => s.isIntersecting)) return;
    await load();
    if (failing) return; // "Show more" tries again
    observer.unobserve(more); // Observed anew, it tells again where it still is in sight.
    observer.observe(more);
  }, { rootMargin: "400px" });
  observer.observe(more);
}
