/** Signing in with a key, where the service asks for one, and out again. */

import { text } from "./language.js";
import { element, toast } from "./page.js";
import { Problem, getSession, signIn, signOut } from "./wire.js";

const dialog = element("signin", HTMLDialogElement);
const form = element("signin-form", HTMLFormElement);
const key = element("signin-key", HTMLInputElement);
const wrong = element("signin-error", HTMLElement);
const leave = element("signout", HTMLButtonElement);

/** Ask for a key. */
export function ask() {
  leave.hidden = true;
  if (!dialog.open) dialog.showModal();
}

let again = 0;

/** Offer to sign out, where somebody is signed in; asked until it can be told.
 * @param {(admin: boolean) => void} told whether they may see the service as admins do */
export async function greet(told) {
  clearTimeout(again);
  try {
    const session = await getSession();
    leave.hidden = session.open;
    if (!session.open) leave.title = text("signin.as", { name: session.name });
    told(session.scopes.includes("admin"));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status !== 401) {
      again = setTimeout(greet, 2500, told);
      return;
    }
    leave.hidden = true;
    told(false);
  }
}

/** Let go of what the browser keeps that is a key's own: what it was told, and pictures. The page itself stays. */
async function letGo() {
  for (const name of await (globalThis.caches?.keys() ?? []))
    if (name.startsWith("limner-") && name !== "limner-shell-2") await caches.delete(name);
}

/** @param {() => void} done what to do once somebody is signed in */
export function start(done) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    wrong.hidden = true;
    try {
      await signIn(key.value.trim());
      key.value = "";
      await letGo(); // The session before may have ended by itself, and been another key's.
      dialog.close();
      done();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      wrong.textContent = error.status === 401 ? text("signin.wrong") : error.message;
      wrong.hidden = false;
    }
  });
  // Without a key there is nothing to go back to.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  leave.addEventListener("click", async () => {
    try {
      await signOut();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status !== 401) return toast(error.message);
    }
    await letGo();
    location.reload();
  });
}
