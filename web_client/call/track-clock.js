/**
 * Playback position of an answer in a WebRTC call. The server reports when playback starts, pauses and resumes; the
 * page's clock fills in the rest. Times are ms of that clock.
 */

export class TrackClock {
  /**
   * Id of the response that is playing; null if none is.
   * @type {string | null}
   */
  response = null;
  #since = 0;
  /** @type {number | null} */
  #pausedAt = null;

  /**
   * @param {string} response
   * @param {number} now
   */
  start(response, now) {
    this.response = response;
    this.#since = now;
    this.#pausedAt = null;
  }

  /** @param {number} now */
  pause(now) {
    this.#pausedAt ??= now;
  }

  /** @param {number} now */
  resume(now) {
    if (this.#pausedAt !== null) this.#since += now - this.#pausedAt;
    this.#pausedAt = null;
  }

  /** @param {number} ms that are played again */
  rewind(ms) {
    this.#since += ms;
  }

  stop() {
    this.response = null;
    this.#pausedAt = null;
  }

  /**
   * Milliseconds played. If playback ran out of audio, the clock waited.
   * @param {number} now
   * @param {number} availableMs audio that has been synthesized
   */
  played(now, availableMs) {
    const at = this.#pausedAt ?? now;
    this.#since = Math.max(this.#since, at - availableMs);
    return at - this.#since;
  }
}
