/** The conversation as plain text. */

import { playedText, voiceToVoice } from "../call/entries.js";
import { formatSeconds } from "../view/timing/format.js";

/** @typedef {import("../call/entries.js").Entry} Entry */

/** @param {Entry[]} entries at least one */
export function transcript(entries) {
  const lines = entries.map((entry) => `[${dateOf(entry.at).toLocaleTimeString()}] ${line(entry)}`);
  const day = dateOf(entries[0].at).toLocaleDateString();
  return [`A conversation with Antiphon, ${day}`, "", ...lines, ""].join("\n");
}

/**
 * The date of a time of `performance.now()`.
 * @param {number} at
 */
export function dateOf(at) {
  return new Date(performance.timeOrigin + at);
}

/** @param {Entry} entry */
function line(entry) {
  if (entry.role === "user") return `You: ${entry.text || "…"}`;
  if (entry.role === "tool") return `Antiphon called ${entry.name}(${entry.input}): ${entry.output}`;
  const ms = voiceToVoice(entry);
  const note = ms === null ? "" : ` (after ${formatSeconds(ms)})`;
  if (entry.state !== "interrupted") return `Antiphon: ${playedText(entry)}${note}`;
  const rest = entry.words.slice(entry.kept).map(({ text }) => text);
  const cut = rest.length ? `[interrupted; not played: ${rest.join(" ")}]` : "[interrupted]";
  return `Antiphon: ${playedText(entry)} ${cut}${note}`;
}
