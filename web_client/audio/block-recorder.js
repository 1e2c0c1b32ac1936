/** Cuts a stream of samples into 20 ms blocks at the wire's rate, each with its level. */

import { rms, toInt16, WIRE_RATE } from "./pcm.js";
import { Resampler } from "./resampler.js";

/** Duration of a block. */
export const BLOCK_MS = 20;
const BLOCK = (WIRE_RATE * BLOCK_MS) / 1000;

/** @typedef {{pcm: Int16Array<ArrayBuffer>, level: number}} Block */

export class BlockRecorder {
  #resampler;
  #block = new Float32Array(BLOCK);
  #filled = 0;

  /** @param {number} rate of the samples, in Hz */
  constructor(rate) {
    this.#resampler = new Resampler(rate, WIRE_RATE);
  }

  /**
   * Returns the blocks that `samples` complete.
   * @param {Float32Array} samples
   */
  push(samples) {
    /** @type {Block[]} */
    const blocks = [];
    let rest = this.#resampler.push(samples);
    while (rest.length) {
      const part = rest.subarray(0, BLOCK - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled < BLOCK) continue;
      blocks.push({ pcm: toInt16(this.#block), level: rms(this.#block) });
      this.#filled = 0;
    }
    return blocks;
  }
}
