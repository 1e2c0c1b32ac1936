/**
 * The jitter buffer of a WebSocket call: holds a little audio back against uneven arrival, plays it in full, ducked or
 * paused, and counts every sample that is played.
 */

import { LONGEST_MS, wordStart } from "./word-start.js";

const FIRST_HOLD_S = 0.04;
const LONGEST_HOLD_S = 0.3;
/** Audio that stops at full amplitude would click. */
const FADE_S = 0.005;
/** Time from full gain to silence or back; ducking takes part of it. */
const RAMP_S = 0.015;
/**
 * Gain of each playback state. Ducked is -14 dB.
 * @type {Record<PlaybackState, number>}
 */
const GAINS = { full: 1, ducked: 0.2, paused: 0 };

/** @typedef {"full" | "ducked" | "paused"} PlaybackState */

/**
 * What happened while samples were pulled: `started` at the sample `offset` of the output, `ended`, or `starved`.
 * @typedef {object} PlayoutReport
 * @property {"started" | "ended" | "starved"} type
 * @property {string} item
 * @property {number} [offset]
 * @property {number} [played] samples of the item
 */

/**
 * Audio of one item.
 * @typedef {object} Track
 * @property {string} item
 * @property {Float32Array[]} chunks
 * @property {number} buffered samples in `chunks`
 * @property {number} played samples
 * @property {Float32Array[]} recent what was played last, for `rewind`
 * @property {boolean} begun
 * @property {boolean} ended
 */

export class JitterBuffer {
  #rate;
  #hold;
  /** @type {Track[]} */
  #tracks = [];
  #flowing = false;
  #fade = new Float32Array(0);
  #steps; // of a ramp from silence to full gain
  #gain; // in steps
  #targetGain;

  /** @param {number} rate of the samples, in Hz */
  constructor(rate) {
    this.#rate = rate;
    this.#hold = FIRST_HOLD_S * rate;
    this.#steps = this.#gain = this.#targetGain = Math.round(RAMP_S * rate);
  }

  /**
   * Add audio of `item`, a spoken answer. Items play one after the other.
   * @param {string} item
   * @param {Float32Array} samples
   */
  push(item, samples) {
    this.#track(item).chunks.push(samples);
    this.#track(item).buffered += samples.length;
  }

  /**
   * Mark `item` as complete.
   * @param {string} item
   */
  end(item) {
    const track = this.#tracks.find((track) => track.item === item);
    if (track) track.ended = true;
  }

  /**
   * Continue in this state. While paused the audio waits and none is lost.
   * @param {PlaybackState} state
   */
  setState(state) {
    this.#targetGain = Math.round(GAINS[state] * this.#steps);
  }

  /**
   * Let an answer that has fallen silent in a pause play on from the beginning of the word that it broke off.
   * @param {import("./word-start.js").ResumedAnswer} resumed
   */
  rewind({ item, wordsMs }) {
    const [track] = this.#tracks;
    if (track?.item !== item || this.#targetGain > 0 || this.#gain > 0) return;
    const playedMs = (track.played / this.#rate) * 1000;
    putBack(track, Math.round(((playedMs - wordStart(wordsMs, playedMs)) / 1000) * this.#rate));
  }

  /** The item to play next, and how many of its samples have been played; undefined if there is none. */
  get playing() {
    const [track] = this.#tracks;
    return track && { item: track.item, played: track.played };
  }

  /**
   * Fill `out`, and return what happened meanwhile.
   * @param {Float32Array} out
   */
  pull(out) {
    // While paused nothing plays beyond the sample at which the ramp reaches silence.
    const playing = this.#targetGain > 0 ? out.length : Math.min(out.length, this.#gain);
    const reports = this.#pull(out.subarray(0, playing));
    for (let at = 0; at < playing; at++) {
      this.#gain += Math.sign(this.#targetGain - this.#gain);
      out[at] *= this.#gain / this.#steps;
    }
    out.fill(0, playing);
    return reports;
  }

  /** @param {Float32Array} out */
  #pull(out) {
    /** @type {PlayoutReport[]} */
    const reports = [];
    if (!out.length) return reports;
    let filled = this.#pullFade(out);
    while (filled < out.length && this.#tracks.length) {
      const [track] = this.#tracks;
      if (!this.#flowing && !track.ended && track.buffered < this.#hold) break;
      this.#flowing = true;
      if (track.buffered === 0) {
        if (!track.ended) {
          this.#starve();
          reports.push({ type: "starved", item: track.item });
          break;
        }
        reports.push({ type: "ended", item: track.item, played: track.played });
        this.#tracks.shift();
        this.#flowing = this.#tracks.length > 0;
        continue;
      }
      if (!track.begun) reports.push({ type: "started", item: track.item, offset: filled });
      track.begun = true;
      filled += take(track, out.subarray(filled), (LONGEST_MS / 1000) * this.#rate);
    }
    out.fill(0, filled);
    return reports;
  }

  /** Fall silent. Returns, for each item that was not played to its end, how many samples were. */
  stop() {
    const [track] = this.#tracks;
    if (track && track.played > 0 && this.#gain > 0) {
      const fade = new Float32Array(Math.min(Math.round(FADE_S * this.#rate), track.buffered));
      take(track, fade, 0);
      this.#fade = fade.map((sample, at) => sample * (1 - at / fade.length));
    }
    const cut = this.#tracks.map(({ item, played }) => ({ item, played }));
    this.#tracks = [];
    this.#flowing = false;
    this.setState("full");
    return cut;
  }

  /** @param {string} item */
  #track(item) {
    let track = this.#tracks.find((track) => track.item === item);
    if (!track) {
      // Audio of an earlier answer never arrives after that of a later one.
      for (const earlier of this.#tracks) earlier.ended = true;
      track = { item, chunks: [], buffered: 0, played: 0, recent: [], begun: false, ended: false };
      this.#tracks.push(track);
    }
    return track;
  }

  /** @param {Float32Array} out */
  #pullFade(out) {
    const length = Math.min(this.#fade.length, out.length);
    out.set(this.#fade.subarray(0, length));
    this.#fade = this.#fade.subarray(length);
    return length;
  }

  #starve() {
    this.#flowing = false;
    this.#hold = Math.min(this.#hold * 1.5, LONGEST_HOLD_S * this.#rate);
  }
}

/**
 * Move samples of `track` into `out`, as many as are buffered and fit, and remember the last `kept`. Returns how many.
 * @param {Track} track
 * @param {Float32Array} out
 * @param {number} kept
 */
function take(track, out, kept) {
  let filled = 0;
  while (filled < out.length && track.chunks.length) {
    const [chunk] = track.chunks;
    const part = chunk.subarray(0, out.length - filled);
    out.set(part, filled);
    track.recent.push(part);
    filled += part.length;
    if (part.length === chunk.length) track.chunks.shift();
    else track.chunks[0] = chunk.subarray(part.length);
  }
  track.buffered -= filled;
  track.played += filled;
  let recent = track.recent.reduce((sum, part) => sum + part.length, 0);
  while (track.recent.length && recent - track.recent[0].length >= kept) {
    recent -= /** @type {Float32Array} */ (track.recent.shift()).length;
  }
  return filled;
}

/**
 * Let the last `samples` samples of `track` that were played wait again.
 * @param {Track} track
 * @param {number} samples
 */
function putBack(track, samples) {
  for (let left = samples; left > 0; ) {
    const part = track.recent.pop();
    if (!part) return;
    const again = part.subarray(Math.max(part.length - left, 0));
    if (again.length < part.length) track.recent.push(part.subarray(0, part.length - again.length));
    track.chunks.unshift(again);
    track.buffered += again.length;
    track.played -= again.length;
    left -= again.length;
  }
}
