// The microphone: blocks of 20 ms at the wire's rate, with their loudness.

import { WIRE_RATE, level, toInt16 } from "./pcm.js";
import { Resampler } from "./resample.js";

const BLOCK = WIRE_RATE / 50;

class Capture extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate, WIRE_RATE);
  #block = new Float32Array(BLOCK);
  #filled = 0;

  process([[channel]]) {
    // No channel: the microphone is being changed. Silence keeps the conversation's clock going.
    let samples = this.#resampler.push(channel ?? new Float32Array(128));
    while (samples.length) {
      const part = samples.subarray(0, BLOCK - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      samples = samples.subarray(part.length);
      if (this.#filled === BLOCK) this.#send();
    }
    return true;
  }

  #send() {
    const pcm = toInt16(this.#block);
    this.port.postMessage({ pcm, level: level(this.#block) }, [pcm.buffer]);
    this.#filled = 0;
  }
}

registerProcessor("capture", Capture);
