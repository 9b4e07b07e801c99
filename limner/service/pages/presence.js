/** Whether the service answers: that it is away is said, and it is asked until it is back. */

import { text } from "./language.js";
import { announce, element } from "./page.js";
import { reachable } from "./wire.js";

const offline = element("offline", HTMLElement);
let probing = 0;
/** What to do once it is back. */
let back = () => {};

/** @param {() => void} listener */
export const start = (listener) => void (back = listener);

/** Say that the service is away, and ask until it is back. */
export function lost() {
  offline.hidden = false;
  if (probing) return;
  announce(offline.textContent ?? "");
  probing = setInterval(async () => {
    if (await reachable()) found();
  }, 2500);
}

/** Say that the service is away, if it is. @returns {Promise<boolean>} whether it answers */
export async function check() {
  const here = await reachable();
  if (!here) lost();
  return here;
}

/** It answers. */
export function found() {
  clearInterval(probing);
  probing = 0;
  if (offline.hidden) return;
  offline.hidden = true;
  announce(text("top.back"));
  back();
}
