/** The steps of the last few drawings, as their previews showed them. */

/** @typedef {import("./wire.js").Step} Step */

const KEPT = 4; // drawings

/** @type {Map<string, Step[]>} by job and picture */
const kept = new Map();
/** @type {(key: string) => void} */
let heard = () => {};

/** @param {string} job @param {number} image */
const keyOf = (job, image) => `${job} ${image}`;

/** @param {string} job @param {Step} step */
export function record(job, step) {
  const key = keyOf(job, step.image);
  const before = kept.get(key) ?? [];
  kept.delete(key);
  kept.set(key, [...before.filter((one) => one.step < step.step), step]);
  while (kept.size > KEPT * 4) kept.delete(/** @type {string} */ (kept.keys().next().value));
  heard(key);
}

/** Steps that had a preview, the first one first. @param {string} job @param {number} image @returns {Step[]} */
export const stepsOf = (job, image) => (kept.get(keyOf(job, image)) ?? []).filter((step) => step.preview);

/** Whether steps of a picture came and none of them had a preview. @param {string} job @param {number} image */
export const cameUnseen = (job, image) => kept.has(keyOf(job, image)) && stepsOf(job, image).length === 0;

/** Be told of each new step of a picture, in place of who was told before. @param {string} job @param {number} image @param {() => void} tell */
export const listen = (job, image, tell) => void (heard = (key) => key === keyOf(job, image) && tell());
