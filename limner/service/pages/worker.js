// The service worker: keeps the page itself and the last pictures, so that both are there without the service.

const SHELL = "limner-shell-1";
const PICTURES = "limner-pictures-1";
const MOST_PICTURES = 200;

const worker = /** @type {any} */ (self);

worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));

/** What is there, from the service where it answers; what it gave last where it does not. @param {Request} request */
async function fresh(request) {
  const kept = await caches.open(SHELL);
  try {
    const answer = await fetch(request);
    if (answer.ok) await kept.put(request, answer.clone());
    return answer;
  } catch (error) {
    const found = await kept.match(request);
    if (found) return found;
    throw error;
  }
}

/** A picture never changes: what was seen once is not asked for again. @param {Request} request */
async function picture(request) {
  const kept = await caches.open(PICTURES);
  const found = await kept.match(request);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.status === 200) {
    await kept.put(request, answer.clone());
    const all = await kept.keys();
    for (const old of all.slice(0, Math.max(0, all.length - MOST_PICTURES))) await kept.delete(old);
  }
  return answer;
}

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  /** @type {Request} */
  const request = event.request;
  const { origin, pathname, search } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (/^\/v1\/images\/[0-9a-f]+$/.test(pathname)) event.respondWith(picture(request));
  else if (pathname === "/" || pathname.startsWith("/pages/")) event.respondWith(fresh(request));
  else if (["/v1/models", "/v1/pins"].includes(pathname)) event.respondWith(fresh(request));
  else if (pathname === "/v1/jobs" && search === "?limit=24") event.respondWith(fresh(request));
});

// Whoever signs out leaves nothing behind.
worker.addEventListener("message", (/** @type {any} */ event) => {
  if (event.data === "forget") event.waitUntil(Promise.all([caches.delete(PICTURES), caches.delete(SHELL)]));
});
