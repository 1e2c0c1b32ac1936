/** Shows how long the call has lasted, and when it is over, how long it did. */

import { formatDuration } from "./timing/format.js";

export class CallClock {
  #element;
  /** Start of the call, in ms of `performance.now()`; null while there is none. @type {number | null} */
  #began = null;
  #timer = 0;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
  }

  set phase(/** @type {"idle" | "starting" | "connecting" | "live"} */ phase) {
    if (phase === "starting") this.#element.textContent = "";
    if (phase === "live" && this.#began === null) {
      this.#began = performance.now();
      this.#timer = setInterval(() => this.#show(""), 1000);
      this.#show("");
    }
    if (phase === "idle" && this.#began !== null) {
      clearInterval(this.#timer);
      this.#show("Ended after ");
      this.#began = null;
    }
  }

  /** @param {string} before */
  #show(before) {
    this.#element.textContent = before + formatDuration(performance.now() - (this.#began ?? 0));
  }
}
