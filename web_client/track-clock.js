// How far an answer by track has been played: the server says when it starts, waits and goes on; the page's clock says the rest.
// Times are milliseconds of that clock.

export class TrackClock {
  /** The response that is playing; null: none is. */
  response = null;
  #since = 0;
  #waitingSince = null;

  start(response, now) {
    this.response = response;
    this.#since = now;
    this.#waitingSince = null;
  }

  wait(now) {
    this.#waitingSince ??= now;
  }

  goOn(now) {
    if (this.#waitingSince !== null) this.#since += now - this.#waitingSince;
    this.#waitingSince = null;
  }

  stop() {
    this.response = null;
    this.#waitingSince = null;
  }

  /** Milliseconds of the answer. Where `made`, what there is of it, ran dry, the clock waits too. */
  played(now, made) {
    const at = this.#waitingSince ?? now;
    this.#since = Math.max(this.#since, at - made);
    return at - this.#since;
  }
}
