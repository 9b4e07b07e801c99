/** The service as its admins see it: queue, last minute, memory, models, keys, what went wrong. */

import { language, text } from "./language.js";
import { element } from "./page.js";
import { Problem, getKeys, getStatus } from "./wire.js";

/** @typedef {import("./wire.js").Status} Status */
/** @typedef {import("./wire.js").AdminKey} AdminKey */

const EVERY = 3000; // ms

const dialog = element("admin", HTMLDialogElement);
const place = element("admin-parts", HTMLElement);
const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
let asking = 0;

/** @param {number | null} bytes */
const gigabytes = (bytes) => (bytes === null ? "" : `${number.format(bytes / 2 ** 30)} GiB`);

/** @param {string} title @param {Node[]} inside */
function part(title, inside) {
  const section = document.createElement("section");
  const heading = document.createElement("h3");
  heading.textContent = title;
  section.append(heading, ...inside);
  return section;
}

/** @param {[string, string | number | null][]} rows names and values; without a value a row is left out */
function facts(rows) {
  const list = document.createElement("dl");
  for (const [name, value] of rows) {
    if (value === null || value === "") continue;
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const definition = document.createElement("dd");
    term.textContent = name;
    definition.textContent = typeof value === "number" ? number.format(value) : value;
    row.append(term, definition);
    list.append(row);
  }
  return list;
}

/** @param {[string, string][]} rows @param {string} none */
const orNone = (rows, none) => facts(rows.length ? rows : [[none, "–"]]);

/** @param {Status} status @param {AdminKey[]} keys */
function show({ version, queue, running, last_minute: minute, memory, models, mishaps }, keys) {
  const top = place.scrollTop;
  place.replaceChildren(
    part(text("admin.queue"), [facts([
      [text("admin.waiting"), queue ? text("admin.of", { some: queue.waiting, all: queue.limit }) : "–"],
      [text("admin.oldest"), queue ? `${number.format(queue.oldest_seconds)} s` : null],
      [text("admin.running"), running.length],
      ...running.map((one) => /** @type {[string, string]} */ ([one.model, text("stage.step", { step: one.step, steps: one.steps })])),
    ])]),
    part(text("admin.minute"), [facts([
      [text("admin.pictures"), minute.pictures],
      [text("set.steps"), minute.steps],
      [text("admin.rows"), minute.rows_per_call],
      [text("admin.requests"), minute.requests],
      [text("admin.refused"), minute.refused],
      [text("admin.failures"), minute.failures],
    ])]),
    part(text("admin.memory"), [facts([
      [text("admin.service"), gigabytes(memory.service)],
      [text("admin.engine"), gigabytes(memory.engine)],
      [text("admin.free"), gigabytes(memory.data_free)],
      ["Limner", version],
    ])]),
    part(text("admin.models"), [facts(models.map((one) => [
      `${one.name}@${one.version}`,
      [one.family, one.served ? text("admin.served") : "", one.loaded ? text("admin.loaded") : ""].filter(Boolean).join(", "),
    ]))]),
    part(text("admin.keys"), [orNone(keys.map((key) => [
      key.name,
      key.revoked_at !== null ? text("admin.revoked") : `${key.scopes.join(", ")} · ${number.format(key.used_today)}${key.quota === null ? "" : ` / ${number.format(key.quota)}`}${key.weight === 1 ? "" : ` · ×${number.format(key.weight)}`}`,
    ]), text("admin.nokeys"))]),
    part(text("admin.mishaps"), [orNone(mishaps.slice(0, 8).map((one) => [new Date(one.at).toLocaleString(language), one.what]), text("admin.nomishaps"))]),
  );
  place.scrollTop = top;
}

async function ask() {
  clearTimeout(asking);
  const wrong = element("admin-error", HTMLElement);
  try {
    const [status, keys] = await Promise.all([getStatus(), getKeys()]);
    wrong.hidden = true;
    show(status, keys);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    wrong.textContent = error.message;
    wrong.hidden = false;
  }
  if (dialog.open) asking = setTimeout(ask, EVERY);
}

/** Begin. */
export function start() {
  element("admin-open", HTMLButtonElement).addEventListener("click", () => {
    dialog.showModal();
    void ask();
  });
  element("admin-close", HTMLButtonElement).addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => clearTimeout(asking));
}

/** Offer the view to who may see it. @param {boolean} on */
export const offer = (on) => void (element("admin-open", HTMLButtonElement).hidden = !on);
