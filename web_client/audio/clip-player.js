/** Plays recorded audio, one clip at a time. */

import { toFloat, WIRE_RATE } from "./pcm.js";

export class ClipPlayer {
  /** @type {AudioBufferSourceNode | null} */
  #source = null;

  /**
   * Play a clip; the one before is stopped. Resolves when it ends or is stopped. To be called from a click.
   * @param {Int16Array | ArrayBuffer} clip samples at the wire's rate, or an audio file
   * @param {{volume: number, speakerId: string}} output volume from 0 to 1; a speaker of "" is the system's default
   */
  async play(clip, { volume, speakerId }) {
    this.stop();
    const context = new AudioContext({ sampleRate: WIRE_RATE });
    // @ts-expect-error: AudioContext.setSinkId is not in TypeScript's library yet; a lost speaker is no reason to fail.
    if (speakerId) await context.setSinkId?.(speakerId).catch(() => {});
    const buffer = clip instanceof ArrayBuffer ? await context.decodeAudioData(clip) : audioBuffer(context, clip);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(new GainNode(context, { gain: volume })).connect(context.destination);
    this.#source = source;
    await new Promise((resolve) => {
      source.onended = resolve;
      source.start();
    });
    if (this.#source === source) this.#source = null;
    await context.close();
  }

  stop() {
    this.#source?.stop();
    this.#source = null;
  }
}

/**
 * @param {AudioContext} context
 * @param {Int16Array} pcm at the wire's rate
 */
function audioBuffer(context, pcm) {
  const buffer = context.createBuffer(1, Math.max(1, pcm.length), WIRE_RATE);
  buffer.copyToChannel(toFloat(pcm), 0);
  return buffer;
}
