/**
 * The service as the page sees it: types of what goes over the wire, calls, and the stream of a job's events.
 *
 * @typedef {{prompt: string, model?: string | null, seed?: number | null, steps?: number | null,
 *   guidance_scale?: number | null, negative_prompt?: string | null, n?: number | null,
 *   width?: number | null, height?: number | null, image?: string | null, mask?: string | null,
 *   strength?: number | null, variation_seed?: number | null, variation_strength?: number | null,
 *   derived_from?: string | null, keep?: number[] | null, outward?: number | null, guidance_interval?: number[] | null,
 *   attention?: boolean, anew?: boolean, best_of?: number | null, matcher?: string | null, locale?: string | null, readings?: Record<string, string>}} Request
 * @typedef {{words: string[], maps: {url: string, width: number, height: number}[]}} Attention
 * @typedef {{id: string, url: string, seed: number, width: number, height: number, index?: number,
 *   attention?: Attention | null}} Picture
 * @typedef {{index: number, gate: string, reason: string}} Withheld
 * @typedef {"queued" | "running" | "succeeded" | "failed" | "cancelled"} State
 * @typedef {{id: string, state: State, queue_position: number | null, step: number, steps: number,
 *   request: Request, images: Picture[], senses?: Record<string, string[]>, withheld?: Withheld[], error: string | null,
 *   created_at: string}} Job
 * @typedef {{name: string, version: string, title?: string, description?: string, family?: string,
 *   sizes: {width: number, height: number}[], defaults: {steps: number, guidance_scale: number | null},
 *   limits: Record<string, [number, number]>, vocabulary: string[] | null, edits: boolean, small: boolean,
 *   card: string | null}} Model
 * @typedef {{id: string, image: string, over: string | null, vote: "up" | "down" | null, note: string,
 *   caption: string}} Feedback
 * @typedef {{field: string, message: string, allowed?: string | null}} FieldError
 * @typedef {{step: number, steps: number, image: number, preview: string | null}} Step
 * @typedef {{queued: (position: number) => void, step: (step: Step) => void,
 *   image: (picture: Picture) => void, ended: (job: Job) => void, connected: (ok: boolean) => void,
 *   refused: (error: Problem) => void}} Watcher
 */

import { language, text } from "./language.js";

const SESSION = "/v1/session";

/** An answer that is not a success; `status` 0 means that the service could not be reached,
 * `refused` is why a gate let it not through, `wait` after how many seconds to try again, 0 where that is not said. */
export class Problem extends Error {
  /** @param {number} status @param {string} message @param {FieldError[]} errors
   * @param {string} refused @param {number} wait */
  constructor(status, message, errors = [], refused = "", wait = 0) {
    super(message);
    this.status = status;
    this.errors = errors;
    this.refused = refused;
    this.wait = wait;
  }
}

/** What an answer means, in the reader's words; the service's own, in English, stand beside them where they say more.
 * @param {Response} response @param {string} [detail] the service's words @returns {string} without a full stop */
function meaning({ status, headers, url }, detail) {
  const further = detail ? ` (${detail})` : "";
  if (status === 401) return text("wire.signin");
  if (status === 403) return text("wire.denied") + further;
  if (status === 413) return text("wire.large");
  if (status === 415) return text("wire.kind");
  if (status === 422 && new URL(url).pathname === "/v1/images") return text("wire.picture") + further;
  if (status === 503) return text("wire.unable") + further;
  if (status !== 429) return detail || text("wire.answered", { status });
  if (headers.get("RateLimit-Policy")?.startsWith('"day"')) return text("wire.quota") + further;
  return text(headers.get("RateLimit-Remaining") === "0" ? "wire.rate" : "wire.busy");
}

/** A time from now in words. @param {number} seconds */
function inTime(seconds) {
  const said = new Intl.RelativeTimeFormat(language);
  if (seconds < 100) return said.format(Math.ceil(seconds), "second");
  if (seconds < 6000) return said.format(Math.ceil(seconds / 60), "minute");
  return said.format(Math.ceil(seconds / 3600), "hour");
}

/** @param {Response} response @returns {Promise<Problem>} */
async function problemOf(response) {
  /** @type {{detail?: string, errors?: FieldError[], reason?: string}} */
  let body = {};
  try {
    body = await response.json();
  } catch {
    // Not a problem document; the status has to say it.
  }
  const wait = Number(response.headers.get("Retry-After")) || 0; // A date, as some proxies say it, is not read.
  const said = meaning(response, body.detail).replace(/\.?$/, ".");
  const later = wait > 0 ? ` ${text("wire.later", { when: inTime(wait) })}` : "";
  return new Problem(response.status, said + later, body.errors ?? [], body.reason ?? "", wait);
}

/** What was being waited for; where it breaks off the service could not be reached.
 * @template T @param {Promise<T>} coming @returns {Promise<T>} @throws {Problem} */
const reached = (coming) =>
  coming.catch(() => {
    throw new Problem(0, text("wire.unreachable"));
  });

/**
 * A successful answer. Where the session has ended, the document hears of it: `signin-needed`.
 * @param {string} path @param {RequestInit} [options] @returns {Promise<Response>} @throws {Problem}
 */
async function answered(path, options) {
  const response = await reached(fetch(path, options));
  if (response.ok) return response;
  if (response.status === 401 && path !== SESSION) document.dispatchEvent(new CustomEvent("signin-needed"));
  throw await problemOf(response);
}

/**
 * @template T
 * @param {string} path @param {RequestInit} [options]
 * @returns {Promise<T>} the answer's JSON
 * @throws {Problem}
 */
async function call(path, options) {
  const response = await answered(path, options);
  return /** @type {Promise<T>} */ (response.status === 204 ? undefined : reached(response.json()));
}

/** @typedef {{name: string, scopes: string[], open: boolean}} Session */

/** @returns {Promise<Session>} who is signed in */
export const getSession = () => call(SESSION);

/** Sign in with a key. @param {string} key @returns {Promise<Session>} */
export function signIn(key) {
  const headers = { "Content-Type": "application/json" };
  return call(SESSION, { method: "POST", headers, body: JSON.stringify({ key }) });
}

/** @returns {Promise<unknown>} */
export const signOut = () => call(SESSION, { method: "DELETE" });

/**
 * @typedef {{version: string, queue: {waiting: number, limit: number, oldest_seconds: number} | null,
 *   running: {model: string, step: number, steps: number}[],
 *   last_minute: Record<"pictures" | "steps" | "rows_per_call" | "requests" | "refused" | "failures", number>,
 *   memory: {service: number | null, engine: number | null, data_free: number | null},
 *   models: {name: string, version: string, family: string, served: boolean, loaded: boolean}[],
 *   mishaps: {at: string, what: string}[]}} Status
 * @typedef {{name: string, scopes: string[], quota: number | null, used_today: number, weight: number, revoked_at: number | null}} AdminKey
 */

/** @returns {Promise<Status>} */
export const getStatus = () => call("/v1/admin/status");

/** @returns {Promise<AdminKey[]>} */
export async function getKeys() {
  return (await /** @type {Promise<{keys: AdminKey[]}>} */ (call("/v1/admin/keys"))).keys;
}

/** @returns {Promise<Model[]>} the default model first */
export async function getModels() {
  return (await /** @type {Promise<{models: Model[]}>} */ (call("/v1/models"))).models;
}

/** @param {number} count @param {string} model @returns {Promise<string[]>} */
export async function getIdeas(count, model) {
  const query = new URLSearchParams({ n: String(count), model });
  return (await /** @type {Promise<{ideas: string[]}>} */ (call(`/v1/ideas?${query}`))).ideas;
}

/** @typedef {{search?: string, pinned?: boolean, made_from?: string}} Wanted */

/** One's own jobs, newest first. @param {string | null} before @param {number} limit @param {Wanted} [wanted] @returns {Promise<{jobs: Job[], next: string | null}>} */
export function getJobs(before, limit, wanted = {}) {
  const query = new URLSearchParams({ limit: String(limit), mine: "true" });
  if (before !== null) query.set("before", before);
  for (const [name, value] of Object.entries(wanted)) if (value) query.set(name, String(value));
  return call(`/v1/jobs?${query}`);
}

/** Forget a picture of one's own, and the job with it where it has no other. @param {string} image its id @returns {Promise<unknown>} */
export const forgetPicture = (image) => call(`/v1/images/${encodeURIComponent(image)}?mine=true`, { method: "DELETE" });

/** @returns {Promise<string[]>} ids of the pinned pictures */
export async function getPins() {
  return (await /** @type {Promise<{images: string[]}>} */ (call("/v1/pins"))).images;
}

/** @param {string} image @param {boolean} on @returns {Promise<unknown>} */
export function setPin(image, on) {
  if (!on) return call(`/v1/pins/${encodeURIComponent(image)}`, { method: "DELETE" });
  const headers = { "Content-Type": "application/json" };
  return call("/v1/pins", { method: "POST", headers, body: JSON.stringify({ image }) });
}

/** @param {string} id @returns {Promise<Job>} */
export const getJob = (id) => call(`/v1/jobs/${encodeURIComponent(id)}`);

/** @param {Request} request @param {string} key the same one again makes no second job @returns {Promise<Job>} */
export function createJob(request, key) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  return call("/v1/jobs", { method: "POST", headers, body: JSON.stringify(request) });
}

/** @param {string} id @returns {Promise<Job>} as it was */
export const cancelJob = (id) => call(`/v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });

/** Hand over a picture to work from. @param {Blob} picture @returns {Promise<{id: string, width: number, height: number}>} */
export function upload(picture) {
  const headers = { "Content-Type": picture.type.startsWith("image/") ? picture.type : "application/octet-stream" };
  return call("/v1/images", { method: "POST", headers, body: picture });
}

/** A picture that the service has. @param {string} id @returns {Promise<ImageBitmap>} */
export async function pictureOf(id) {
  const response = await answered(`/v1/images/${encodeURIComponent(id)}`);
  return reached(response.blob().then((blob) => createImageBitmap(blob)));
}

/** What was said of a picture. @param {string} image @returns {Promise<Feedback | null>} */
export async function getFeedback(image) {
  /** @type {{feedback: Feedback[]}} */
  const { feedback } = await call(`/v1/feedback?mine=true&limit=100&image=${encodeURIComponent(image)}`);
  return feedback.find((one) => one.image === image && one.over === null) ?? null;
}

/** Say something of a picture. @param {Partial<Feedback> & {image: string}} said @returns {Promise<Feedback>} */
export function sayFeedback(said) {
  const headers = { "Content-Type": "application/json" };
  return call("/v1/feedback", { method: "POST", headers, body: JSON.stringify(said) });
}

/** @param {string} id @returns {Promise<unknown>} */
export const takeBack = (id) => call(`/v1/feedback/${encodeURIComponent(id)}`, { method: "DELETE" });

/** @returns {Promise<boolean>} whether the service answers */
export async function reachable() {
  try {
    return (await fetch("/healthz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

const ENDED = ["succeeded", "failed", "cancelled"];

/** @param {Job} job */
export const hasEnded = (job) => ENDED.includes(job.state);

/**
 * Watch a job until it has ended. A dropped stream is resumed by the browser with Last-Event-ID; after a
 * resumption, and where the browser has given up, the job itself is asked, so that no ending is missed. Where the
 * browser has given up, the stream is then opened anew, and tells from the beginning.
 *
 * @param {string} id @param {Watcher} watcher
 * @returns {() => void} stops watching; the job goes on
 */
export function watch(id, watcher) {
  /** @type {EventSource} */
  let source;
  let over = false;
  let dropped = false;
  let again = 0;
  let wait = 0; // ms, where the stream has been refused just before

  const stop = () => {
    over = true;
    clearTimeout(again);
    source.close();
  };
  /** @param {Job} job */
  const end = (job) => {
    if (over) return;
    stop();
    watcher.connected(true);
    watcher.ended(job);
  };
  const ask = async () => {
    if (over) return;
    let pause = 2;
    try {
      const job = await getJob(id);
      if (over) return;
      watcher.connected(true);
      if (hasEnded(job)) return end(job);
      if (source.readyState === EventSource.CLOSED) listen();
    } catch (error) {
      if (over) return;
      if (error instanceof Problem && error.status === 404) {
        const gone = text("wire.gone");
        return end({ id, state: "failed", queue_position: null, step: 0, steps: 0,
          request: { prompt: "" }, images: [], error: gone, created_at: "" });
      }
      if (!(error instanceof Problem) || error.status === 0 || error.status >= 500) watcher.connected(false);
      else if (error.status === 429) pause = Math.max(pause, error.wait);
      else watcher.refused(error);
    }
    if (source.readyState === EventSource.CLOSED) again = setTimeout(ask, 1000 * pause);
  };

  /** @param {string} name @param {(data: any) => void} handle */
  const on = (name, handle) =>
    source.addEventListener(name, (event) => {
      if (!over) handle(JSON.parse(/** @type {MessageEvent<string>} */ (event).data));
    });
  const listen = () => {
    source = new EventSource(`/v1/jobs/${encodeURIComponent(id)}/events`);
    on("queued", (data) => watcher.queued(data.position));
    on("step", watcher.step);
    on("image", watcher.image);
    for (const name of ENDED) on(name, end);
    source.addEventListener("open", () => {
      watcher.connected(true);
      if (dropped) ask();
      dropped = false;
      wait = 0;
    });
    source.addEventListener("error", () => {
      if (over) return;
      dropped = true;
      if (source.readyState !== EventSource.CLOSED) return watcher.connected(false);
      again = setTimeout(ask, wait);
      wait = 2000;
    });
  };
  listen();
  return stop;
}
