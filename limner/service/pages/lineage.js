/** Where a picture comes from, and what was made from it. */

import { text } from "./language.js";
import { getJobs } from "./wire.js";

/** @typedef {import("./wire.js").Job} Job */
/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {{job: Job, picture: Picture}} Made */

let asked = 0;

/** @param {string} label @param {HTMLElement[]} pictures */
function row(label, pictures) {
  const place = document.createElement("div");
  const said = document.createElement("p");
  place.className = "kin";
  said.className = "hint";
  said.textContent = label;
  place.append(said, ...pictures);
  return place;
}

/** @param {string} url @param {string} label @returns {HTMLImageElement} */
function small(url, label) {
  const image = new Image();
  Object.assign(image, { src: url, alt: label });
  return image;
}

/**
 * Show a picture's kin in a place.
 * @param {HTMLElement} place @param {Made} made
 * @param {(image: string) => (() => void) | null} opener what opens a picture, where it is known here
 * @param {(made: Made[], index: number) => void} view
 */
export async function lineage(place, { job, picture }, opener, view) {
  const mine = (asked += 1);
  const from = job.request.derived_from ?? job.request.image;
  /** @type {HTMLElement[]} */
  const rows = [];
  if (from) {
    const url = `/v1/images/${encodeURIComponent(from)}`;
    const open = opener(from);
    const link = document.createElement(open ? "button" : "a");
    if (link instanceof HTMLAnchorElement) Object.assign(link, { href: url, target: "_blank", rel: "noopener" });
    else Object.assign(link, { type: "button", onclick: open });
    link.append(small(url, text("kin.source")));
    rows.push(row(text("kin.from"), [link]));
  }
  place.replaceChildren(...rows);
  const found = await getJobs(null, 12, { made_from: picture.id }).catch(() => null);
  if (mine !== asked || !found) return;
  const children = found.jobs.flatMap((one) => one.images.map((each) => ({ job: one, picture: each })));
  if (children.length === 0) return;
  place.append(row(text("kin.into"), children.slice(0, 12).map((child, k) => {
    const link = document.createElement("button");
    link.type = "button";
    link.append(small(child.picture.url, child.job.request.prompt));
    link.addEventListener("click", () => view(children, k));
    return link;
  })));
}
