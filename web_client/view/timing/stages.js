/** The stages of an answer in words. */

/**
 * Of each stage: its name, and the step that leads to it from the stage before.
 * @type {Record<string, [name: string, step: string]>}
 */
const STAGES = {
  pause_seen: ["pause detected", "noticing the pause"],
  transcript_ready: ["transcript ready", "recognizing your words"],
  turn_decided: ["turn decided", "making sure that you had finished"],
  first_thought: ["first thought", "beginning to think"],
  first_token: ["first token generated", "beginning the answer"],
  first_clause: ["first clause complete", "writing the first clause"],
  first_audio: ["first audio synthesized", "synthesizing the voice"],
  first_packet: ["first audio sent", "sending the audio"],
  played: ["first audio played here", "the network and playback"],
};

/**
 * A row of the waterfall. Times are ms from the end of the user's speech.
 * @typedef {{stage: string, name: string, fromMs: number, toMs: number}} Row
 */

/**
 * @param {[stage: string, ms: number][]} stages in order
 * @returns {Row[]}
 */
export function waterfallRows(stages) {
  let fromMs = 0;
  return stages.flatMap(([stage, toMs]) => {
    if (!(stage in STAGES)) return [];
    const row = { stage, name: STAGES[stage][0], fromMs, toMs };
    fromMs = toMs;
    return [row];
  });
}

/**
 * A sentence that names the longest step; "" without rows.
 * @param {Row[]} rows
 */
export function longestStep(rows) {
  if (!rows.length) return "";
  const duration = (/** @type {Row} */ { fromMs, toMs }) => toMs - fromMs;
  const longest = rows.reduce((one, other) => (duration(other) > duration(one) ? other : one));
  const total = rows[rows.length - 1].toMs;
  return `Longest step: ${STAGES[longest.stage][1]}, ${Math.round(duration(longest))} of ${Math.round(total)} ms.`;
}
