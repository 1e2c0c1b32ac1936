// The loudspeaker: plays answers through a jitter buffer, and reports to the sample what was played.

import { JitterBuffer } from "./jitter.js";
import { WIRE_RATE, level, toFloat } from "./pcm.js";
import { Resampler } from "./resample.js";

const REPORT_EVERY_S = 0.03;

class Playback extends AudioWorkletProcessor {
  #buffer = new JitterBuffer(sampleRate);
  #item = null;
  #resampler = null;
  #reported = 0;
  #loudest = 0;
  #wasPlaying = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#obey(data);
  }

  process(_, [[out]]) {
    for (const report of this.#buffer.pull(out)) this.#tell(report);
    this.#loudest = Math.max(this.#loudest, level(out));
    if (currentTime - this.#reported >= REPORT_EVERY_S) this.#progress();
    return true;
  }

  #obey({ type, item, pcm, state }) {
    switch (type) {
      case "play":
        this.#begin(item);
        this.#buffer.push(item, this.#resampler.push(toFloat(pcm)));
        break;
      case "end":
        if (item === this.#item) this.#buffer.push(item, this.#resampler.flush());
        this.#buffer.end(item);
        break;
      case "follow":
        this.#buffer.follow(state);
        break;
      case "stop": {
        this.#item = null;
        const cut = this.#buffer.stop().map(({ item, played }) => ({ item, playedMs: ms(played) }));
        this.port.postMessage({ type: "stopped", cut });
      }
    }
  }

  #begin(item) {
    if (item === this.#item) return;
    this.#item = item;
    this.#resampler = new Resampler(WIRE_RATE, sampleRate);
  }

  #tell({ type, item, played, offset }) {
    if (type === "began") this.port.postMessage({ type, item, time: currentTime + offset / sampleRate });
    else if (type === "ended") this.port.postMessage({ type, item, playedMs: ms(played) });
    else this.port.postMessage({ type, item });
  }

  #progress() {
    const { playing } = this.#buffer;
    if (playing || this.#wasPlaying) {
      const at = playing && { item: playing.item, playedMs: ms(playing.played) };
      this.port.postMessage({ type: "progress", level: playing ? this.#loudest : 0, ...at });
    }
    this.#wasPlaying = Boolean(playing);
    this.#reported = currentTime;
    this.#loudest = 0;
  }
}

function ms(samples) {
  return (samples / sampleRate) * 1000;
}

registerProcessor("playback", Playback);
