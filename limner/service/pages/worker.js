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
  const found = () => kept.match(request, { ignoreVary: true });
  try {
    const answer = await fetch(request);
    if (answer.ok) await kept.put(request, answer.clone()).catch(() => {}); // where there is no room
    // While the service is started anew, what stands before it answers in its place.
    return answer.status >= 500 || answer.status === 429 ? ((await found()) ?? answer) : answer;
  } catch (error) {
    const last = await found();
    if (last) return last;
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
    await kept.put(request, answer.clone()).catch(() => {});
    const all = await kept.keys();
    for (const old of all.slice(0, Math.max(0, all.length - MOST_PICTURES))) await kept.delete(old);
  }
  return answer;
}

/** The answer to what is kept here; null for all else, which is the service's alone.
 * @param {Request} request @returns {Promise<Response> | null} */
function answered(request) {
  const { origin, pathname, search } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return null;
  if (/^\/v1\/images\/[0-9a-f]+$/.test(pathname)) return picture(request);
  const told = ["/", "/v1/models", "/v1/pins", "/v1/ideas"].includes(pathname) || pathname.startsWith("/pages/");
  return told || (pathname === "/v1/jobs" && search === "?limit=24&mine=true") ? fresh(request) : null;
}

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const answer = answered(event.request);
  if (answer) event.respondWith(answer);
});

// A page that came before this worker says what it is made of.
worker.addEventListener("message", (/** @type {any} */ event) => {
  event.waitUntil(Promise.allSettled(event.data.keep.map((/** @type {string} */ url) => answered(new Request(url)))));
});
