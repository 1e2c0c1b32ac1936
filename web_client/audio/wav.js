/** WAV files. */

import { WIRE_RATE } from "./pcm.js";

const HEADER_BYTES = 44;

/**
 * A WAV file with mono 16-bit samples at the wire's rate (RIFF, "Multimedia Programming Interface and Data
 * Specifications 1.0", 1991).
 * @param {Int16Array} pcm
 */
export function wavFile(pcm) {
  const file = new Uint8Array(HEADER_BYTES + pcm.byteLength);
  const view = new DataView(file.buffer);
  const tag = (/** @type {number} */ at, /** @type {string} */ text) => file.set(new TextEncoder().encode(text), at);
  tag(0, "RIFF");
  view.setUint32(4, file.length - 8, true);
  tag(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, WIRE_RATE, true);
  view.setUint32(28, 2 * WIRE_RATE, true); // bytes per second
  view.setUint16(32, 2, true); // bytes per frame
  view.setUint16(34, 16, true); // bits per sample
  tag(36, "data");
  view.setUint32(40, pcm.byteLength, true);
  file.set(new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength), HEADER_BYTES);
  return file;
}
