/** A conversation as one HTML file, with its recordings, captions and timing. It needs no script and no network. */

import { toBase64 } from "../audio/base64.js";
import { wavFile } from "../audio/wav.js";
import { playedText, stagesOf, voiceToVoice } from "../call/entries.js";
import { formatSeconds } from "../view/timing/format.js";
import { longestStep, waterfallRows } from "../view/timing/stages.js";
import { dateOf } from "./transcript.js";

/** @typedef {import("../call/entries.js").Entry} Entry */
/** @typedef {import("../call/entries.js").AgentEntry} AgentEntry */

const STYLE = `
:root { color-scheme: light dark; --user: light-dark(#0b7a71, #56c7bb); --agent: light-dark(#a85d08, #f0b05c); }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif;
  background: light-dark(#f7f5f0, #101419); color: light-dark(#22262b, #e9e6df); }
h1 { font-size: 1.25rem; } h2 { margin: 0; font-size: 0.875rem; }
section { margin: 1.5rem 0; } section.user h2 { color: var(--user); } section.agent h2 { color: var(--agent); }
time, small, del, summary, code { color: light-dark(#656a72, #9aa1ab); font-weight: 400; }
p { margin: 0.25rem 0; } audio { width: 100%; height: 2.25rem; } code { display: block; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-size: 0.8125rem; } th { font-weight: 400; text-align: left; }
td { padding-left: 1rem; text-align: right; white-space: nowrap; } td:last-child { width: 50%; }
i { display: block; height: 6px; border-radius: 3px; background: var(--agent); }
`;

/**
 * @param {Entry[]} entries at least one
 * @param {(entry: Entry) => Int16Array | null} clipOf the recording of an entry; null if there is none
 */
export function sessionPage(entries, clipOf) {
  const date = dateOf(entries[0].at).toLocaleString("en", { dateStyle: "long", timeStyle: "short" });
  const title = `A conversation with Antiphon, ${date}`;
  const sections = entries.map((entry) => section(entry, clipOf(entry)));
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
<h1>${title}</h1>
${sections.join("\n")}
</html>
`;
}

/**
 * @param {Entry} entry
 * @param {Int16Array | null} clip
 */
function section(entry, clip) {
  const time = `<time>${dateOf(entry.at).toLocaleTimeString("en")}</time>`;
  if (entry.role === "tool") {
    const call = `<code>${escaped(`${entry.name}(${entry.input})`)}</code><code>${escaped(entry.output)}</code>`;
    return `<section class="tool"><h2>Tool ${time}</h2>${call}</section>`;
  }
  const audio = clip?.length ? `<audio controls src="data:audio/wav;base64,${toBase64(wavFile(clip))}"></audio>` : "";
  if (entry.role === "user") {
    return `<section class="user"><h2>You ${time}</h2><p>${escaped(entry.text)}</p>${audio}</section>`;
  }
  const thoughts = escaped(entry.thoughts.trim());
  const details = thoughts ? `<details><summary>Thoughts</summary><p>${thoughts}</p></details>` : "";
  const parts = [`<h2>Antiphon ${time}</h2>`, `<p>${answer(entry)}</p>`, audio, details, timing(entry)];
  return `<section class="agent">${parts.join("")}</section>`;
}

/** @param {AgentEntry} entry */
function answer(entry) {
  if (entry.state !== "interrupted") return escaped(playedText(entry));
  const rest = entry.words.slice(entry.kept).map(({ text }) => text);
  return `${escaped(playedText(entry))} ${rest.length ? `<del>${escaped(rest.join(" "))}</del>` : ""}`;
}

/** @param {AgentEntry} entry */
function timing(entry) {
  const ms = voiceToVoice(entry);
  if (ms === null) return "";
  const rows = waterfallRows(stagesOf(entry));
  const total = Math.max(1, ...rows.map(({ toMs }) => toMs));
  const lines = rows.map(({ name, fromMs, toMs }) => {
    const [from, to] = [fromMs, toMs].map((at) => ((at / total) * 100).toFixed(1));
    const bar = `<i style="margin-left:${from}%;width:max(3px,calc(${to}% - ${from}%))"></i>`;
    return `<tr><th scope="row">${name}</th><td>${Math.round(toMs)} ms</td><td>${bar}</td></tr>`;
  });
  const summary = `<summary>Answered after ${formatSeconds(ms)}. ${longestStep(rows)}</summary>`;
  return `<details>${summary}<table>${lines.join("")}</table></details>`;
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
