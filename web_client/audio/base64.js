/** Bytes in base64, and 16-bit samples as the protocol's JSON carries them: little endian, in base64. */

/** Bytes that one call of String.fromCharCode takes in every browser. */
const CHUNK = 8192;

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

/** @param {Int16Array} pcm */
export function pcmToBase64(pcm) {
  return toBase64(new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength));
}

/** @param {string} text */
export function pcmFromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}
