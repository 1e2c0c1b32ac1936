// What comes out of the loudspeaker by track: how loud it is, and when it begins to sound.

import { level } from "./pcm.js";

const REPORT_EVERY_S = 0.03;
/** What a codec makes of silence stays below this. */
const AUDIBLE = 0.003;
/** So long a silence makes the next sound a beginning. */
const SILENCE_S = 0.2;

class Ear extends AudioWorkletProcessor {
  #lastSound = -Infinity;
  #reported = 0;
  #loudest = 0;

  process([[channel]]) {
    if (!channel) return true;
    this.#loudest = Math.max(this.#loudest, level(channel));
    const sounds = channel.findIndex((sample) => Math.abs(sample) > AUDIBLE);
    if (sounds >= 0) {
      const time = currentTime + sounds / sampleRate;
      if (time - this.#lastSound > SILENCE_S) this.port.postMessage({ type: "sound", time });
      this.#lastSound = currentTime;
    }
    if (currentTime - this.#reported >= REPORT_EVERY_S) {
      this.port.postMessage({ type: "level", level: this.#loudest });
      this.#reported = currentTime;
      this.#loudest = 0;
    }
    return true;
  }
}

registerProcessor("ear", Ear);
