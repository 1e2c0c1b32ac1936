// The listener's side: holds a little sound back against uneven arrival, plays it in full, quieter or not yet, and counts
// every sample that is played.

const FIRST_HOLD_S = 0.04;
const LONGEST_HOLD_S = 0.3;
/** A voice that stops at full swing would click. */
const FADE_S = 0.005;
/** From full to silent or back; a duck takes part of it. */
const RAMP_S = 0.015;
/** Quieter: -14 dB. */
const GAINS = { full: 1, ducked: 0.2, paused: 0 };

export class JitterBuffer {
  #rate;
  #hold;
  #tracks = [];
  #flows = false;
  #fade = new Float32Array(0);
  #steps; // of a ramp from silent to full
  #gain; // counted in them
  #wantedGain;

  /** @param {number} rate of the samples, in Hz */
  constructor(rate) {
    this.#rate = rate;
    this.#hold = FIRST_HOLD_S * rate;
    this.#steps = this.#gain = this.#wantedGain = Math.round(RAMP_S * rate);
  }

  /** More sound of `item`, a spoken answer; answers are played one behind the other. */
  push(item, samples) {
    this.#track(item).chunks.push(samples);
    this.#track(item).buffered += samples.length;
  }

  /** `item` is complete. */
  end(item) {
    const track = this.#tracks.find((track) => track.item === item);
    if (track) track.ended = true;
  }

  /** Play on in this `state`: "full"; "ducked", which is quieter; "paused", in which the sound waits and none is lost. */
  follow(state) {
    this.#wantedGain = Math.round(GAINS[state] * this.#steps);
  }

  /** The item that is next to sound, and how many samples of it have. */
  get playing() {
    const [track] = this.#tracks;
    return track && { item: track.item, played: track.played };
  }

  /** Fill `out`, and say what happened meanwhile: `began` (at the sample `offset` of `out`), `ended`, `starved`. */
  pull(out) {
    // In a pause nothing is played beyond the sample at which it is silent.
    const playing = this.#wantedGain > 0 ? out.length : Math.min(out.length, this.#gain);
    const reports = this.#pull(out.subarray(0, playing));
    for (let at = 0; at < playing; at++) {
      this.#gain += Math.sign(this.#wantedGain - this.#gain);
      out[at] *= this.#gain / this.#steps;
    }
    out.fill(0, playing);
    return reports;
  }

  #pull(out) {
    const reports = [];
    if (!out.length) return reports;
    let filled = this.#pullFade(out);
    while (filled < out.length && this.#tracks.length) {
      const [track] = this.#tracks;
      if (!this.#flows && !track.ended && track.buffered < this.#hold) break;
      this.#flows = true;
      if (track.buffered === 0) {
        if (!track.ended) {
          this.#starve();
          reports.push({ type: "starved", item: track.item });
          break;
        }
        reports.push({ type: "ended", item: track.item, played: track.played });
        this.#tracks.shift();
        this.#flows = this.#tracks.length > 0;
        continue;
      }
      if (track.played === 0) reports.push({ type: "began", item: track.item, offset: filled });
      filled += take(track, out.subarray(filled));
    }
    out.fill(0, filled);
    return reports;
  }

  /** Fall silent. Says of each item that was not played to its end how many samples were. */
  stop() {
    const [track] = this.#tracks;
    if (track && track.played > 0 && this.#gain > 0) {
      const fade = new Float32Array(Math.min(Math.round(FADE_S * this.#rate), track.buffered));
      take(track, fade);
      this.#fade = fade.map((sample, at) => sample * (1 - at / fade.length));
    }
    const cut = this.#tracks.map(({ item, played }) => ({ item, played }));
    this.#tracks = [];
    this.#flows = false;
    this.follow("full");
    return cut;
  }

  #track(item) {
    let track = this.#tracks.find((track) => track.item === item);
    if (!track) {
      // An answer's sound never comes after the next one's.
      for (const before of this.#tracks) before.ended = true;
      track = { item, chunks: [], buffered: 0, played: 0, ended: false };
      this.#tracks.push(track);
    }
    return track;
  }

  #pullFade(out) {
    const length = Math.min(this.#fade.length, out.length);
    out.set(this.#fade.subarray(0, length));
    this.#fade = this.#fade.subarray(length);
    return length;
  }

  #starve() {
    this.#flows = false;
    this.#hold = Math.min(this.#hold * 1.5, LONGEST_HOLD_S * this.#rate);
  }
}

/** Move samples of `track` into `out`, as many as there are and as fit. */
function take(track, out) {
  let filled = 0;
  while (filled < out.length && track.chunks.length) {
    const [chunk] = track.chunks;
    const part = chunk.subarray(0, out.length - filled);
    out.set(part, filled);
    filled += part.length;
    if (part.length === chunk.length) track.chunks.shift();
    else track.chunks[0] = chunk.subarray(part.length);
  }
  track.buffered -= filled;
  track.played += filled;
  return filled;
}
