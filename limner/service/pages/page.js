/** Small things that every part of the page needs: elements by id, building elements, saying things. */

/**
 * @template {Element} T
 * @param {string} id @param {{new (): T}} kind
 * @returns {T}
 */
export function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

/** @param {string} id @param {string} [className] @returns {SVGSVGElement} one of the symbols of index.html */
export function icon(id, className = "icon") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${id}`);
  svg.append(use);
  return svg;
}

/** @param {string} text @param {string} className @param {() => void} press @returns {HTMLButtonElement} */
export function button(text, className, press) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = className;
  made.textContent = text;
  made.addEventListener("click", press);
  return made;
}

/**
 * Let a picture come; one that does not is asked for again a few times.
 * @param {HTMLImageElement} image @param {string} url @returns {Promise<unknown>} when it is there
 */
export function come(image, url) {
  const waits = [2000, 4000, 8000];
  image.addEventListener("error", () => {
    const wait = waits.shift();
    if (wait) setTimeout(() => (image.src = url), wait);
  });
  const there = new Promise((done) => image.addEventListener("load", done, { once: true }));
  image.src = url;
  return there;
}

/** Bring a place to where it is heard and seen: an open dialog is above all else, and all else is inert.
 * @param {HTMLElement} place */
function above(place) {
  const top = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (place.parentElement === top) return;
  place.textContent = ""; // what was said elsewhere is not said again
  top.append(place);
}

let speaking = 0;

/** Tell screen readers, once what is being said has settled. @param {string} text @param {number} [wait] ms */
export function announce(text, wait = 100) {
  const place = element("live", HTMLElement);
  above(place);
  clearTimeout(speaking);
  speaking = setTimeout(() => (place.textContent = text), wait);
}

let fading = 0;

/** Show a short message for a few seconds. @param {string} text */
export function toast(text) {
  const place = element("toast", HTMLElement);
  above(place);
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => place.classList.remove("shown"), 2600);
}

/** @param {string} key @param {Storage} [storage] this browser's, or the tab's @returns {string | null} */
export function recall(key, storage) {
  try {
    return (storage ?? localStorage).getItem(`limner.${key}`);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string | null} value null forgets @param {Storage} [storage] this browser's, or the tab's */
export function remember(key, value, storage) {
  try {
    const kept = storage ?? localStorage;
    if (value === null) kept.removeItem(`limner.${key}`);
    else kept.setItem(`limner.${key}`, value);
  } catch {
    // Storage is blocked: nothing is remembered.
  }
}
