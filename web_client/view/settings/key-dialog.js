/** The dialog that asks for the API key. */

import { find } from "../dom.js";

/**
 * Resolves to the key that was entered; "" if the dialog was cancelled.
 * @param {HTMLDialogElement} dialog
 * @param {import("../../errors.js").CallError} error why a key is needed
 * @returns {Promise<string>}
 */
export function askForKey(dialog, error) {
  find(dialog, "#key-advice").textContent = `${error.message} ${error.advice}`;
  const field = find(dialog, "#key", HTMLInputElement);
  field.value = "";
  return new Promise((resolve) => {
    let key = "";
    find(dialog, "form", HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      key = field.value.trim();
      dialog.close();
    };
    find(dialog, "#cancel-key").onclick = () => dialog.close();
    dialog.onclose = () => resolve(key);
    dialog.showModal();
  });
}
