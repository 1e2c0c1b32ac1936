/** The panel that shows how long each answer took, and where the time went. */

import { stagesOf, voiceToVoice } from "../../call/entries.js";
import { find } from "../dom.js";
import { formatSeconds, median } from "./format.js";
import { renderSparkline } from "./sparkline.js";
import { longestStep, waterfallRows } from "./stages.js";
import { renderWaterfall } from "./waterfall.js";

/** @typedef {import("../../call/entries.js").AgentEntry} AgentEntry */

export class TimingPanel {
  /**
   * The answer that is shown; null for the latest.
   * @type {AgentEntry | null}
   */
  selected = null;

  #panel;
  #table;
  #sparkline;

  /** @param {HTMLDetailsElement} panel */
  constructor(panel) {
    this.#panel = panel;
    this.#table = find(panel, "#waterfall", HTMLTableElement);
    this.#sparkline = find(panel, "#sparkline", SVGSVGElement);
  }

  /** @param {AgentEntry} entry */
  show(entry) {
    this.selected = entry;
    this.#panel.open = true;
  }

  /** @param {import("../../call/entries.js").Entry[]} entries */
  render(entries) {
    const timed = entries.filter((entry) => entry.role === "agent").filter((entry) => voiceToVoice(entry) !== null);
    if (this.selected && !timed.includes(this.selected)) this.selected = null;
    const shown = this.selected ?? timed.at(-1);
    const times = timed.map((entry) => voiceToVoice(entry) ?? 0);
    find(this.#panel, "#no-waterfall").hidden = Boolean(shown);
    this.#table.hidden = !shown;
    this.#sparkline.toggleAttribute("hidden", timed.length < 2);
    find(this.#panel, "#latest").textContent = times.length ? formatSeconds(times[times.length - 1]) : "–";
    find(this.#panel, "#median").textContent = times.length > 1 ? `median ${formatSeconds(median(times))}` : "";
    const rows = shown ? waterfallRows(stagesOf(shown)) : [];
    find(this.#panel, "#longest-step").textContent = longestStep(rows);
    if (!shown) return;
    renderSparkline(this.#sparkline, times);
    renderWaterfall(this.#table, caption(shown, timed), rows);
  }
}

/**
 * @param {AgentEntry} entry
 * @param {AgentEntry[]} timed
 */
function caption(entry, timed) {
  const turn = timed.length > 1 ? `Answer ${timed.indexOf(entry) + 1} of ${timed.length}, over` : "Over";
  const transport = entry.byTrack ? "WebRTC" : "WebSocket";
  const count = entry.gaps === 1 ? "once" : `${entry.gaps} times`;
  const gaps = entry.gaps ? ` Playback ran out of audio ${count}.` : "";
  return `${turn} ${transport}, measured from your last word.${gaps}`;
}
