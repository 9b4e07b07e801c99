/** Leads drawings from a request to their end: one model's pictures, or the same prompt by several models beside each other. */

import * as history from "./history.js";
import * as settings from "./settings.js";
import * as stage from "./stage.js";
import { text } from "./language.js";
import { record } from "./steps.js";
import { marked } from "./wording.js";
import { announce, recall, remember } from "./page.js";
import { Problem, cancelJob, createJob, getJob, hasEnded, watch } from "./wire.js";

/** @typedef {import("./wire.js").Job} Job */
/** @typedef {import("./wire.js").Request} Request */
/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {{requests: Request[], jobs: (Job | null)[], images: Picture[][], left: number, cancelled: boolean,
 *   stops: (() => void)[], own: boolean, ids: string[]}} Drawing `ids` of the jobs that are followed */
/** @typedef {{busy: (on: boolean) => void, settled: (jobs: Job[]) => void, drawn: (jobs: Job[]) => void,
 *   connected: (ok: boolean) => void, refused: (error: unknown) => void}} Heard */

/** @type {Drawing | null} what is being drawn now */
let drawing = null;
/** @type {{requests: Request[], given: Job | null, keys: string[], lost: boolean} | null} what could not be asked for;
 * where the answer was lost it is asked for again when the service is back */
let unanswered = null;
/** @type {Job[]} what the stage shows */
let shown = [];
/** @type {Heard} */
let heard = { busy: () => {}, settled: () => {}, drawn: () => {}, connected: () => {}, refused: () => {} };

/** @param {Heard} listener */
export const start = (listener) => void (heard = listener);

/** What the stage shows: one job, or one of each model. */
export const onStage = () => shown;

/** What is being drawn, else what the stage shows: the last job, with its first picture once it is there.
 * @returns {{job: Job, picture: Picture | null} | null} */
export function now() {
  const jobs = drawing?.jobs ?? shown;
  const job = jobs.findLast((one) => one !== null);
  return job ? { job, picture: (drawing?.images[jobs.lastIndexOf(job)] ?? job.images)[0] ?? null } : null;
}

/** Hang what hung before a drawing, or what is left of it. @param {string} [said] of that */
function back(said = "") {
  drawing = null;
  heard.busy(false);
  if (shown.length) show(shown);
  else {
    stage.clear();
    heard.settled([]);
    stage.say(said);
  }
  announce(said);
}

/** Take pictures of a job that are no longer there off the stage. @param {Job} job with those that are left */
export function forget(job) {
  if (!shown.some(({ id }) => id === job.id)) return;
  const left = job.images.map(({ id }) => id);
  shown = shown.flatMap((one) => {
    if (one.id !== job.id) return [one];
    const images = one.images.filter(({ id }) => left.includes(id));
    return images.length ? [{ ...one, images }] : [];
  });
  if (!drawing) back();
}

/** Whether something is being drawn. */
export const isDrawing = () => drawing !== null;

/** @param {Job[]} jobs @returns {string} what stands on the plate */
function plate(jobs) {
  const [job] = jobs;
  const first = job?.images[0];
  if (!job || !first) return "";
  if (differ(jobs.map(({ request }) => request))) return [text("plate.seed", { seed: first.seed }), job.request.model].filter(Boolean).join(" · ");
  if (jobs.length > 1) return text("plate.models", { seed: first.seed, models: jobs.length });
  const seeds = job.images.length > 1 ? text("plate.pictures", { pictures: job.images.length }) : text("plate.seed", { seed: first.seed });
  const steps = job.steps || job.request.steps;
  return [seeds, text("plate.steps", { count: steps ?? 1 }), job.request.model].filter(Boolean).join(" · ");
}

/** Whether several requests are the same in other words. @param {Request[]} requests */
const differ = (requests) => new Set(requests.map((request) => request.prompt)).size > 1;

/** What stands over the facts. @param {Request[]} requests */
const titleFor = (requests) => (differ(requests) ? text("wording.title") : (requests[0]?.prompt ?? ""));

/** The tile of a picture: pictures of one job, or jobs of one picture each.
 * @param {unknown[]} jobs @param {number} job its place among them @param {number} index the picture's number */
const tileOf = (jobs, job, index) => (jobs.length > 1 ? job : index);

/** The numbers of a job's pictures that are left, withheld ones too. @param {Job} job */
const numbersOf = ({ images, withheld = [] }) =>
  [...images.map(({ index }, k) => index ?? k), ...withheld.map(({ index }) => index)].sort((a, b) => a - b);

/** Show finished jobs on the stage.
 * @param {Job[]} jobs @param {(index: number) => number} [place] of a picture among those of its job, by its number */
function settle(jobs, place = (index) => index) {
  shown = jobs;
  jobs.forEach((job, k) =>
    job.images.forEach((picture, n) =>
      stage.finished(picture, tileOf(jobs, k, place(picture.index ?? n)), job.request.prompt)));
  stage.explained(titleFor(jobs.map((job) => job.request)), jobs.flatMap((job) => job.images));
  heard.settled(jobs);
  const failed = jobs.find((job) => job.state === "failed");
  const withheld = jobs.flatMap((job, k) =>
    (job.withheld ?? []).map(({ index, reason }) => /** @type {const} */ ([tileOf(jobs, k, place(index)), reason])));
  const lacking = stage.withheld(new Map(withheld));
  // Where all is withheld, that is why the job has failed.
  const nothing = failed && failed.withheld?.length === (failed.request.n ?? 1);
  const why = nothing ? "" : (failed?.error ?? text("stage.failed"));
  if (failed) stage.ended("failed", [why, lacking].filter(Boolean).join(" · "));
  else if (jobs.some((job) => job.state === "cancelled")) stage.ended("cancelled", text("stage.stopped"));
  else stage.succeeded(plate(jobs), lacking);
}

/** Hang what is there on the stage. @param {Job[]} jobs */
export function show(jobs) {
  const [first] = jobs;
  if (!first) return;
  const numbers = numbersOf(first);
  const count = jobs.length > 1 ? jobs.length : numbers.length || 1;
  const requests = jobs.map((job) => job.request);
  stage.begin(titleFor(requests), count, (tile) => open(jobs, tile, numbers[tile]), labels(requests));
  settle(jobs, (index) => numbers.indexOf(index)); // of four, some may have been deleted
}

/** Show the picture of a tile large.
 * @param {(Job | null)[]} jobs @param {number} tile @param {number} [index] the picture's number in its job */
function open(jobs, tile, index = tile) {
  const job = jobs.length > 1 ? jobs[tile] : jobs[0];
  if (job) history.viewJob(job, jobs.length > 1 ? (job.images[0]?.index ?? 0) : index);
}

/** What tiles are called, where several models draw, or one draws other words. @param {Request[]} requests */
function labels(requests) {
  if (requests.length < 2) return [];
  if (!differ(requests)) return requests.map((request) => settings.titleOf(request));
  return requests.map(({ prompt }, k) => marked(prompt, requests[k ? 0 : 1]?.prompt ?? ""));
}

/** Follow a job that the service has accepted. @param {Drawing} mine @param {Job} job @param {number} k its place among the requests */
function follow(mine, job, k) {
  mine.jobs[k] = job;
  mine.ids.push(job.id);
  if (mine.own) noteOwn(mine.ids);
  const stop = watch(job.id, {
    queued: stage.waiting,
    step: (step) => {
      record(job.id, step);
      stage.stepped({ ...step, image: tileOf(mine.requests, k, step.image) });
    },
    image: (picture) => {
      if (!mine.images[k]?.some(({ id }) => id === picture.id)) mine.images[k]?.push(picture);
      stage.finished(picture, tileOf(mine.requests, k, picture.index ?? 0), job.request.prompt);
    },
    connected: heard.connected,
    refused: heard.refused,
    ended: (last) => {
      mine.jobs[k] = last.request.prompt ? last : { ...last, request: /** @type {Request} */ (mine.requests[k]) };
      history.add(/** @type {Job} */ (mine.jobs[k]));
      mine.left -= 1;
      if (mine.left > 0) return;
      forgetOwn(mine.ids);
      drawing = null;
      heard.busy(false);
      settle(/** @type {Job[]} */ (mine.jobs));
      heard.drawn(shown);
    },
  });
  mine.stops.push(stop);
}

/** @param {Request[]} requests one for each job @param {Job | null} [given] the first job, where it is there already @returns {Drawing} */
function begin(requests, given = null) {
  const [first] = requests;
  drawing = {
    requests, jobs: requests.map((_, k) => (k ? null : given)), images: requests.map((_, k) => (k || !given ? [] : [...given.images])),
    left: requests.length - (given ? 1 : 0), cancelled: false, stops: [], own: true, ids: [],
  };
  const mine = drawing;
  const count = requests.length > 1 ? requests.length : (first?.n ?? 1);
  heard.busy(true); // before the stage takes away what may have the focus
  stage.begin(titleFor(requests), count, (tile) => {
    const jobs = mine.jobs.map((job, k) => job && { ...job, images: job.images.length ? job.images : (mine.images[k] ?? []) });
    open(mine === drawing ? jobs : shown, tile);
  }, labels(requests));
  given?.images.forEach((picture) => stage.finished(picture, 0, given.request.prompt));
  stage.reveal();
  return mine;
}

/** Let go of a drawing: what it has drawn by then is hung. One that another tab began goes on. @param {Drawing} old */
function giveUp(old) {
  old.cancelled = true;
  for (const stop of old.stops) stop();
  if (!old.own) return;
  for (const job of old.jobs) if (job && !hasEnded(job)) cancelJob(job.id).then(history.add).catch(() => {});
}

/** Note which jobs this tab draws, to take them up after a reload; other tabs see them, too. @param {string[]} ids */
function noteOwn(ids) {
  for (const storage of [undefined, sessionStorage]) remember("drawing", JSON.stringify(ids), storage);
}

/** @param {string[]} ids */
function forgetOwn(ids) {
  for (const storage of [undefined, sessionStorage])
    if (recall("drawing", storage) === JSON.stringify(ids)) remember("drawing", null, storage);
}

/** @param {Storage} [storage] this browser's, or the tab's @returns {string[]} ids of the jobs that it draws */
function noted(storage) {
  try {
    const ids = JSON.parse(recall("drawing", storage) ?? "[]");
    return Array.isArray(ids) ? ids : [];
  } catch {
    return []; // noted by an earlier version of the page
  }
}

/** A name under which a job is asked for. */
const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * Draw. The same requests as those being drawn are left alone; others take their place.
 * @param {Request[]} requests one, or one for each of several models
 * @param {Job | null} [given] the first one's job, where it need not be drawn
 * @param {(error: unknown) => Promise<Partial<Request>>} [renew] what to ask for in place of what was refused, once
 */
export async function draw(requests, given = null, renew = (error) => Promise.reject(error)) {
  if (drawing && JSON.stringify(drawing.requests) === JSON.stringify(requests)) return;
  if (drawing) giveUp(drawing);
  const again = JSON.stringify(unanswered?.requests) === JSON.stringify(requests) ? unanswered : null;
  const keys = again?.keys ?? requests.map(newKey);
  unanswered = null;
  const mine = begin(requests, given);
  try {
    for (const [k, request] of requests.entries()) {
      if (mine.jobs[k]) continue;
      const job = await createJob(request, keys[k] ?? newKey()).catch(async (error) => {
        const other = await renew(error);
        if (mine.cancelled) throw error;
        Object.assign(request, other);
        return createJob(request, (keys[k] = newKey()));
      });
      if (mine.cancelled) await cancelJob(job.id);
      if (mine !== drawing) return;
      follow(mine, job, k);
    }
  } catch (error) {
    if (mine !== drawing) return;
    // A job that was made is cancelled now, and is not to be found again; one whose answer was lost is.
    const lost = error instanceof Problem && error.status === 0 && !mine.cancelled;
    unanswered = { requests, given, keys: keys.map((key, k) => (mine.jobs[k] ? newKey() : key)), lost };
    giveUp(mine);
    back();
    heard.refused(error);
  }
}

/** @param {string} id @returns {Promise<Job | Problem>} */
const asked = (id) => getJob(id).catch((error) => (error instanceof Problem ? error : Promise.reject(error)));

/** Cancel what is being drawn. @returns {Promise<boolean>} whether there was something, and it could be told */
export async function cancel() {
  if (!drawing || drawing.cancelled) return false;
  const mine = drawing;
  mine.cancelled = true;
  if (mine.ids.length === 0) {
    back(text("stage.stopped")); // what is answered yet `draw` cancels
    return true;
  }
  stage.say(text("stage.stopping"));
  try {
    await Promise.all(mine.jobs.map((job) => job && !hasEnded(job) && cancelJob(job.id)));
  } catch (error) {
    if (mine === drawing) {
      mine.cancelled = false;
      heard.refused(error);
    }
    return false;
  }
  return true;
}

/** Take up the drawing that was under way when the page was left or the service went, or show the last one.
 * @param {Job[]} recent @returns {Promise<boolean>} whether there is one */
export async function resume(recent) {
  if (unanswered?.lost && !drawing) {
    draw(unanswered.requests, unanswered.given);
    return true;
  }
  const own = noted(sessionStorage);
  const ids = own.length ? own : noted();
  const found = drawing ? [] : await Promise.all(ids.map(asked));
  const jobs = found.flatMap((one) => (one instanceof Problem ? [] : [one]));
  // What cannot be asked for now may be taken up when the service answers again.
  if (!drawing && found.every((one) => !(one instanceof Problem) || one.status === 404)) {
    if (jobs.every(hasEnded)) forgetOwn(ids);
    else {
      const mine = begin(jobs.map(({ request }) => ({ ...request, n: request.n ?? 1 })));
      mine.own = own.length > 0;
      jobs.forEach((job, k) => follow(mine, job, k));
      return true;
    }
  }
  const last = recent.find((job) => job.state === "succeeded" && job.images.length > 0);
  if (!drawing && last) {
    show([last]);
    announce("");
  }
  return drawing !== null || Boolean(last);
}
