// The service worker: keeps the page itself and the last pictures, so that both are there without the service.

const SHELL = "limner-shell-2"; // the page and its parts, the same for everybody: signin.js leaves it there
const TOLD = "limner-told-1"; // jobs, models, ideas: for whoever is signed in
const PICTURES = "limner-pictures-1";
const MOST_PICTURES = 200;
const PATIENCE = 4000; // ms that the service has to answer where something is kept
const LITTLE = 500; // where it has let such a time pass before, and not answered since

/** Ids of pages that came from what is kept: then so do their parts, for old and new ones do not fit together.
 * @type {Set<string>} */
const pagesKept = new Set();
let silent = false;

const worker = /** @type {any} */ (self);

worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(begin()));

/** Take over the pages that are open, and let go of what versions before have kept. */
async function begin() {
  for (const name of await caches.keys())
    if (name.startsWith("limner-") && ![SHELL, TOLD, PICTURES].includes(name)) await caches.delete(name);
  await worker.clients.claim();
}

/** What the service gave last; words in whatever language where they are not kept in the one that is asked for.
 * @param {Cache} kept @param {Request} request */
async function lastOf(kept, request) {
  const last = await kept.match(request, { ignoreVary: true });
  const worded = new URL(request.url).pathname === "/pages/language.json";
  return last ?? (worded ? kept.match(request, { ignoreVary: true, ignoreSearch: true }) : undefined);
}

/** What is there, from the service where it answers in time; what it gave last where it does not.
 * @param {Request} request @param {{clientId?: string, resultingClientId?: string}} event */
async function fresh(request, { clientId = "", resultingClientId = "" }) {
  const { pathname } = new URL(request.url);
  const kept = await caches.open(pathname.startsWith("/v1/") ? TOLD : SHELL);
  const last = await lastOf(kept, request);
  const page = request.mode === "navigate";
  const part = pathname.startsWith("/pages/");
  if (last && part && pagesKept.has(clientId)) return last;
  let late = false;
  const coming = fetch(request).then(async (answer) => {
    silent = false;
    // A page that comes too late is not kept, for its parts are not asked for.
    if (answer.ok && !(page && late)) await kept.put(request, answer.clone()).catch(() => {}); // where there is no room
    return answer;
  });
  if (!last) return coming;
  const tired = new Promise((go) => setTimeout(() => go((late = true)), silent ? LITTLE : PATIENCE));
  // The parts of a page that the service gave are waited for.
  const answer = await (part ? coming : Promise.race([coming, tired])).catch(() => null);
  // While the service is started anew, what stands before it answers in its place.
  if (answer instanceof Response && answer.status < 500 && answer.status !== 429) return answer;
  if (late) silent = true;
  if (page) pagesKept.add(resultingClientId);
  return last;
}

/** A picture never changes: what was seen once is not asked for again. @param {Request} request */
async function picture(request) {
  const kept = await caches.open(PICTURES);
  const found = await kept.match(request);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.status === 200) {
    await kept.put(request, answer.clone()).catch(() => {});
    const all = await kept.keys();
    for (const old of all.slice(0, Math.max(0, all.length - MOST_PICTURES))) await kept.delete(old);
  }
  return answer;
}

/** The answer to what is kept here; null for all else, which is the service's alone.
 * @param {Request} request @param {any} event that asks for it @returns {Promise<Response> | null} */
function answered(request, event) {
  const { origin, pathname, search } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return null;
  // What is asked for past all that is kept was let go.
  if (/^\/v1\/images\/[0-9a-f]+$/.test(pathname)) return request.cache === "reload" ? null : picture(request);
  const told = ["/", "/v1/models", "/v1/pins", "/v1/ideas"].includes(pathname) || pathname.startsWith("/pages/");
  return told || (pathname === "/v1/jobs" && search === "?limit=24&mine=true") ? fresh(request, event) : null;
}

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const answer = answered(event.request, event);
  if (answer) event.respondWith(answer);
});

// A page that came before this worker says what it is made of.
worker.addEventListener("message", (/** @type {any} */ event) => {
  event.waitUntil(Promise.allSettled(event.data.keep.map((/** @type {string} */ url) => answered(new Request(url), event))));
});
