/** Audio in the wire's format: mono, 16-bit, 24 kHz. */

/** Sample rate of the protocol's audio, in Hz. */
export const WIRE_RATE = 24_000;

/**
 * @param {Float32Array} samples in [-1, 1]; values beyond are clipped
 * @returns {Int16Array<ArrayBuffer>}
 */
export function toInt16(samples) {
  return Int16Array.from(samples, (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * 32_767));
}

/** @param {Int16Array} samples */
export function toFloat(samples) {
  return Float32Array.from(samples, (sample) => sample / 32_768);
}

/**
 * Root mean square of the samples, 0 to 1.
 * @param {Float32Array} samples
 */
export function rms(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return samples.length ? Math.sqrt(sum / samples.length) : 0;
}
