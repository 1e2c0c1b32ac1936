/** Output of a WebSocket call: plays answers through a jitter buffer, and reports to the sample what was played. */

import { JitterBuffer } from "./jitter-buffer.js";
import { rms, toFloat, WIRE_RATE } from "./pcm.js";
import { Resampler } from "./resampler.js";

/** @typedef {import("./jitter-buffer.js").PlaybackState} PlaybackState */
/** @typedef {import("./word-start.js").ResumedAnswer} ResumedAnswer */

const REPORT_EVERY_S = 0.03;

class Playback extends AudioWorkletProcessor {
  #buffer = new JitterBuffer(sampleRate);
  /** @type {string | null} */
  #item = null;
  #resampler = new Resampler(WIRE_RATE, sampleRate);
  #reportedAt = 0;
  #level = 0;
  #wasPlaying = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#receive(data);
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, [[out]]) {
    for (const report of this.#buffer.pull(out)) this.#report(report);
    this.#level = Math.max(this.#level, rms(out));
    if (currentTime - this.#reportedAt >= REPORT_EVERY_S) this.#reportProgress();
    return true;
  }

  /** @param {{type: string, item: string, pcm: Int16Array, state: PlaybackState, resumed?: ResumedAnswer}} command */
  #receive({ type, item, pcm, state, resumed }) {
    switch (type) {
      case "play":
        this.#begin(item);
        this.#buffer.push(item, this.#resampler.push(toFloat(pcm)));
        break;
      case "end":
        if (item === this.#item) this.#buffer.push(item, this.#resampler.flush());
        this.#buffer.end(item);
        break;
      case "state":
        if (resumed) this.#buffer.rewind(resumed);
        this.#buffer.setState(state);
        break;
      case "stop": {
        this.#item = null;
        const cut = this.#buffer.stop().map(({ item, played }) => ({ item, playedMs: toMs(played) }));
        this.port.postMessage({ type: "stopped", cut });
      }
    }
  }

  /** @param {string} item */
  #begin(item) {
    if (item === this.#item) return;
    this.#item = item;
    this.#resampler = new Resampler(WIRE_RATE, sampleRate);
  }

  /** @param {import("./jitter-buffer.js").PlayoutReport} report */
  #report({ type, item, played = 0, offset = 0 }) {
    if (type === "started") this.port.postMessage({ type, item, time: currentTime + offset / sampleRate });
    else if (type === "ended") this.port.postMessage({ type, item, playedMs: toMs(played) });
    else this.port.postMessage({ type, item });
  }

  #reportProgress() {
    const { playing } = this.#buffer;
    if (playing || this.#wasPlaying) {
      const position = playing && { item: playing.item, playedMs: toMs(playing.played) };
      this.port.postMessage({ type: "progress", level: playing ? this.#level : 0, ...position });
    }
    this.#wasPlaying = Boolean(playing);
    this.#reportedAt = currentTime;
    this.#level = 0;
  }
}

/** @param {number} samples */
function toMs(samples) {
  return (samples / sampleRate) * 1000;
}

registerProcessor("playback", Playback);
