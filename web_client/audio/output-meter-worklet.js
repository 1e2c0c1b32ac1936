/** Records the output of a WebRTC call in 20 ms blocks, and reports when it becomes audible. */

import { BlockRecorder } from "./block-recorder.js";

/** Amplitude above which a sample is audible; what a codec makes of silence stays below it. */
const AUDIBLE = 0.003;
/** After this much silence, audio counts as a new onset. */
const SILENCE_S = 0.2;

class OutputMeter extends AudioWorkletProcessor {
  #recorder = new BlockRecorder(sampleRate);
  #lastAudible = -Infinity;

  /** @param {Float32Array[][]} inputs */
  process([[channel]]) {
    if (!channel) return true;
    const first = channel.findIndex((sample) => Math.abs(sample) > AUDIBLE);
    if (first >= 0) {
      const time = currentTime + first / sampleRate;
      if (time - this.#lastAudible > SILENCE_S) this.port.postMessage({ type: "onset", time });
      this.#lastAudible = currentTime;
    }
    for (const block of this.#recorder.push(channel)) {
      this.port.postMessage({ type: "block", ...block }, [block.pcm.buffer]);
    }
    return true;
  }
}

registerProcessor("output-meter", OutputMeter);
