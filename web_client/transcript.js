// The conversation as a text to keep.

import { saidBy, voiceToVoice } from "./session.js";

/** @param {object[]} entries of a `Session` */
export function transcript(entries) {
  const day = date(entries[0].at).toLocaleDateString();
  const lines = entries.map((entry) => {
    const time = date(entry.at).toLocaleTimeString();
    return `[${time}] ${entry.who === "you" ? "You" : "Antiphon"}: ${words(entry)}`;
  });
  return [`A conversation with Antiphon, ${day}`, "", ...lines, ""].join("\n");
}

function words(entry) {
  if (entry.who === "you") return entry.text || "…";
  const took = voiceToVoice(entry);
  const notes = took === null ? "" : ` (after ${(took / 1000).toFixed(2)} s)`;
  if (entry.state !== "cut") return saidBy(entry) + notes;
  const lost = entry.words.slice(entry.kept).map(({ text }) => text).join(" ");
  return `${saidBy(entry)} [interrupted${lost ? `; not heard: ${lost}` : ""}]${notes}`;
}

function date(at) {
  return new Date(performance.timeOrigin + at);
}
