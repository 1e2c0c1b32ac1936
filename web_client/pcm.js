// Audio as it stands on the wire: mono, 16 bit, little endian, 24 kHz, in base64.

export const WIRE_RATE = 24_000;

/** @param {Float32Array} samples in [-1, 1]; what is beyond is clipped. */
export function toInt16(samples) {
  return Int16Array.from(samples, (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * 32_767));
}

/** @param {Int16Array} samples */
export function toFloat(samples) {
  return Float32Array.from(samples, (sample) => sample / 32_768);
}

/** @param {Int16Array} samples */
export function toBase64(samples) {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

export function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}

/** Loudness from 0 to 1, as the root of the mean square. */
export function level(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return samples.length ? Math.sqrt(sum / samples.length) : 0;
}
