/** Requests that come of pictures that are there: the same again, others like them, near ones. */

import * as settings from "./settings.js";

/** @typedef {import("./wire.js").Job} Job */
/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {import("./wire.js").Request} Request */

/** A request as it can be asked for again: what it was derived from may be gone.
 * @param {Request} request @returns {Request} */
export const afresh = (request) => ({ ...settings.possible(request), derived_from: null });

/**
 * As many other pictures as jobs have: with new seeds, of variations for what varies them.
 * @param {Job[]} jobs of one seed, where there are several @returns {Request[]}
 */
export function others(jobs) {
  const seed = jobs.length > 1 ? settings.anySeed() : undefined;
  return jobs.map(({ request }) => {
    const own = request.variation_strength ? "variation_seed" : "seed";
    return { ...afresh(request), [own]: seed };
  });
}

/**
 * Four near a picture: of one that came from noise alone its variations, of any other new beginnings from it.
 * @param {{job: Job, picture: Picture}} made @returns {Request}
 */
export function near({ job, picture }) {
  const { seed, variation_seed: _, variation_strength: varied, image, mask: __, strength: ___, keep: ____, outward: _____, ...same } = { ...job.request, best_of: 1, matcher: null };
  const again = { seed: seed ?? picture.seed, variation_strength: varied ?? 0.3 };
  const first = !varied && !image ? { seed: picture.seed, variation_strength: 0.3 } : null;
  // A model that takes no picture has further variations of the first one.
  const begun = first ?? (settings.modelOf(job.request)?.edits ? { image: picture.id, strength: 0.5 } : again);
  return { ...settings.possible(same), ...begun, derived_from: picture.id, n: 4 };
}
