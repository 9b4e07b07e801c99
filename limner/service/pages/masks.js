/** Masks of the bench: bitmaps that are clear where a picture is to stay as it is. */

import { pictureOf } from "./wire.js";

/** @typedef {Pick<import("./wire.js").Request, "mask" | "keep" | "width" | "height">} Given by a request */

/** @param {HTMLCanvasElement} canvas */
export function pen(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("the browser has no canvas");
  return context;
}

/** The middle of a picture in a shape. @param {{width: number, height: number}} picture @param {number} ratio of its
 * width to its height @returns {[number, number, number, number]} left, top, width, height */
export function middle({ width, height }, ratio) {
  const [w, h] = [Math.min(width, height * ratio), Math.min(height, width / ratio)];
  return [(width - w) / 2, (height - h) / 2, w, h];
}

/** The mask of an earlier request, if it has one.
 * @param {Given} given @param {ImageBitmap} picture @returns {Promise<ImageBitmap | null>} */
export async function maskOf({ mask, keep, width, height }, picture) {
  if (mask) return clearOf(await pictureOf(mask));
  return keep ? allBut(keep, picture, width && height ? width / height : picture.width / picture.height) : null;
}

/** A mask with its black made clear, so that strokes and it are one. @param {ImageBitmap} grey */
function clearOf(grey) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: grey.width, height: grey.height });
  const context = pen(canvas);
  context.drawImage(grey, 0, 0);
  const pixels = context.getImageData(0, 0, grey.width, grey.height);
  for (let k = 0; k < pixels.data.length; k += 4) pixels.data[k + 3] = pixels.data[k] ?? 0;
  return createImageBitmap(pixels);
}

/** A mask of all but a part. @param {number[]} keep its left, top, right and bottom in shares of what is drawn
 * @param {ImageBitmap} picture @param {number} ratio of what is drawn */
function allBut([left = 0, top = 0, right = 1, bottom = 1], picture, ratio) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: picture.width, height: picture.height });
  const context = pen(canvas);
  const [x, y, wide, high] = middle(picture, ratio);
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.clearRect(x + left * wide, y + top * high, (right - left) * wide, (bottom - top) * high);
  return createImageBitmap(canvas);
}
