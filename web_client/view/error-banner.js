/** Shows an error, with a button for what can be done about it. */

import { find } from "./dom.js";

/** @typedef {import("../errors.js").CallError} CallError */
/** @typedef {{label: string, run: () => void}} Action */

export class ErrorBanner {
  #banner;
  #actionFor;

  /**
   * @param {HTMLElement} banner
   * @param {(error: CallError) => Action | null} actionFor null for no button
   */
  constructor(banner, actionFor) {
    this.#banner = banner;
    this.#actionFor = actionFor;
  }

  /** @param {CallError | null} error null hides the banner */
  show(error) {
    this.#banner.hidden = !error;
    if (!error) return;
    find(this.#banner, "#error-title").textContent = error.message;
    find(this.#banner, "#error-advice").textContent = error.advice;
    find(this.#banner, "#error-detail").textContent = error.detail;
    const action = this.#actionFor(error);
    const button = find(this.#banner, "#error-action");
    button.hidden = !action;
    button.textContent = action?.label ?? "";
    button.onclick = () => action?.run();
  }
}
