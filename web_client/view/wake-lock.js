/** Keeps the screen on during a call. */

export class WakeLock {
  #wanted = false;
  /** @type {WakeLockSentinel | null} */
  #lock = null;

  constructor() {
    // The browser releases the lock when the page is hidden.
    document.addEventListener("visibilitychange", () => this.#update());
  }

  set wanted(/** @type {boolean} */ wanted) {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#update();
  }

  async #update() {
    const lock = this.#lock;
    this.#lock = null;
    await lock?.release();
    if (!this.#wanted || document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
    try {
      this.#lock = await navigator.wakeLock.request("screen");
    } catch {
      // A low battery forbids it; the call goes on.
    }
  }
}
