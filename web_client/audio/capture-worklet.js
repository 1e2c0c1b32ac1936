/** The microphone: 20 ms blocks at the wire's rate. */

import { BlockRecorder } from "./block-recorder.js";

/** Samples that a worklet processes at a time, as the Web Audio API fixes them. */
const QUANTUM = 128;

class Capture extends AudioWorkletProcessor {
  #recorder = new BlockRecorder(sampleRate);

  /** @param {Float32Array[][]} inputs */
  process([[channel]]) {
    // Without a channel the microphone is being changed. Silence keeps the conversation's clock running.
    for (const block of this.#recorder.push(channel ?? new Float32Array(QUANTUM))) {
      this.port.postMessage(block, [block.pcm.buffer]);
    }
    return true;
  }
}

registerProcessor("capture", Capture);
