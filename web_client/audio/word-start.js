/** Where a voice that paused plays on: at the beginning of the word that it broke off. */

/** Audio that is played twice at most. A longer word, such as a number, is continued where it stopped. */
export const LONGEST_MS = 1000;

/**
 * An answer that plays on after a pause, and start and end of its words around the pause, in ms of its audio.
 * @typedef {{item: string, wordsMs: [number, number][]}} ResumedAnswer
 */

/**
 * The beginning of the word that is being spoken at `playedMs`; between words, `playedMs` itself.
 * @param {[number, number][]} wordsMs
 * @param {number} playedMs
 */
export function wordStart(wordsMs, playedMs) {
  const [start] = wordsMs.find(([start, end]) => start < playedMs && playedMs < end) ?? [playedMs];
  return playedMs - start <= LONGEST_MS ? start : playedMs;
}
