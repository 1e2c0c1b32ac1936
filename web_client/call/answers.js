/** How far the answers of a conversation have been played, and where they were interrupted. */

import { wordStart } from "../audio/word-start.js";
import { TrackClock } from "./track-clock.js";

/** @typedef {import("./entries.js").AgentEntry} AgentEntry */
/** @typedef {import("./session.js").Effect} Effect */
/** @typedef {import("../audio/audio-io.js").PlaybackReport} PlaybackReport */
/** @typedef {import("../audio/audio-io.js").PlaybackState} PlaybackState */
/** @typedef {import("../audio/word-start.js").ResumedAnswer} ResumedAnswer */

/** A track's audio may be audible this long before the event that announces it: the two travel separately. */
const MAX_LEAD_MS = 300;

export class Answers {
  /** Whether audio comes by track. Then the server paces it, counts what was played, and truncates answers itself. */
  byTrack = false;

  #entries;
  #clock = new TrackClock();
  #onsetAt = -Infinity;

  /** @param {import("./entries.js").EntryList} entries */
  constructor(entries) {
    this.#entries = entries;
  }

  /**
   * Add words to an answer's transcript.
   * @param {string} item
   * @param {string} delta
   */
  addWords(item, delta) {
    const entry = this.#entries.answer(item);
    if (!entry || entry.state === "interrupted") return;
    entry.text += delta;
    for (const [position, text] of entry.text.trim().split(/\s+/).entries()) {
      if (position < entry.words.length) entry.words[position].text = text;
      else if (text) entry.words.push({ text, atMs: null });
    }
  }

  /**
   * Note that audio of `item` arrived. Returns whether it is wanted.
   * @param {string} item
   * @param {number} durationMs
   * @param {number} now
   */
  addAudio(item, durationMs, now) {
    const entry = this.#entries.answer(item);
    if (!entry || entry.state === "interrupted") return false;
    entry.arrivedAt ??= now;
    // The words that arrive just before a piece of audio are the ones that begin in it.
    const words = entry.words.filter((word) => word.atMs === null);
    for (const [position, word] of words.entries()) word.atMs = entry.audioMs + (position * durationMs) / words.length;
    entry.audioMs += durationMs;
    return true;
  }

  /**
   * Note that all audio of an item has arrived.
   * @param {string} item
   * @returns {Effect[]}
   */
  complete(item) {
    const entry = this.#entries.answer(item);
    if (!entry || entry.state === "interrupted") return [];
    for (const word of entry.words) word.atMs ??= entry.audioMs;
    return [{ end: item }];
  }

  /**
   * Process a report about audio that the page plays.
   * @param {PlaybackReport} report
   * @returns {Effect[]}
   */
  played(report) {
    const { type, item, playedMs } = report;
    if (type === "stopped") return (report.cut ?? []).flatMap((cut) => this.#stopped(cut.item, cut.playedMs));
    const entry = this.#entries.answer(item);
    // It ended before the output could be stopped.
    if (entry?.state === "interrupted" && type === "ended") return this.#stopped(item, playedMs ?? 0);
    if (!entry || entry.state === "interrupted") return [];
    if (type === "started") entry.startedAt = report.at ?? null;
    if (playedMs !== undefined) entry.playedMs = playedMs;
    if (type === "starved") entry.gaps += 1;
    entry.state = type === "ended" ? "finished" : "speaking";
    return [];
  }

  /**
   * Advance the playback position of an answer by track.
   * @param {number} now
   */
  tick(now) {
    const availableMs = this.#playing.reduce((sum, entry) => sum + entry.audioMs, 0);
    let left = this.#clock.played(now, availableMs);
    for (const entry of this.#playing) {
      entry.playedMs = Math.min(left, entry.audioMs);
      left -= entry.playedMs;
      if (entry.playedMs > 0 && entry.state === "pending") entry.state = "speaking";
    }
  }

  /**
   * Note that the output became audible at `at`. For audio by track this is the only sign of it.
   * @param {number} at
   */
  audible(at) {
    this.#onsetAt = at;
    const silent = this.#playing.find(({ startedAt }) => startedAt === null);
    if (silent) silent.startedAt = at;
  }

  /**
   * Note that the server began to play an answer by track.
   * @param {string} response
   * @param {number} now
   */
  started(response, now) {
    this.#clock.start(response, now);
    for (const entry of this.#playing) entry.arrivedAt = now;
    if (now - this.#onsetAt < MAX_LEAD_MS) this.audible(this.#onsetAt);
  }

  /**
   * Note that an answer by track was played to its end.
   * @param {string} response
   */
  playedToEnd(response) {
    for (const entry of this.#entries.openAnswers) {
      if (entry.response !== response) continue;
      entry.playedMs = entry.audioMs;
      entry.state = "finished";
    }
    this.#clock.stop();
  }

  /**
   * Follow the server's control of playback.
   * @param {PlaybackState} state
   * @param {number} now
   * @param {ResumedAnswer} [resumed] the answer that plays on after a pause
   * @returns {Effect[]}
   */
  setPlayback(state, now, resumed) {
    if (!this.byTrack) return [{ playback: state, resumed }];
    if (state === "paused") this.#clock.pause(now);
    else this.#clock.resume(now);
    this.tick(now);
    const entry = resumed && this.#entries.answer(resumed.item);
    if (entry) this.#clock.rewind(entry.playedMs - wordStart(resumed.wordsMs, entry.playedMs));
    return [];
  }

  /**
   * Note that the server stopped an answer.
   * @param {string} response
   */
  cutOff(response) {
    for (const entry of this.#entries.openAnswers) {
      if (entry.response === response) cut(entry, entry.playedMs);
    }
    if (this.#clock.response === response) this.#clock.stop();
  }

  /**
   * Interrupt all open answers; those without audio are dropped.
   * @returns {Effect[]}
   */
  cutAll() {
    const open = this.#entries.openAnswers;
    for (const entry of open) {
      if (entry.audioMs > 0) cut(entry, entry.playedMs);
      else this.#entries.remove(entry);
    }
    this.#clock.stop();
    return open.some(({ audioMs }) => audioMs > 0) ? [{ stop: true }] : [];
  }

  /**
   * Process the server's truncation of an item.
   * @param {string} item
   * @param {number} playedMs
   * @returns {Effect[]}
   */
  truncated(item, playedMs) {
    const entry = this.#entries.answer(item);
    if (entry && this.byTrack) cut(entry, playedMs);
    if (entry?.state !== "interrupted") return [];
    // Over a WebSocket the server estimates; the page knows what it played.
    const agreed = this.byTrack || playedMs === Math.round(entry.playedMs);
    return [{ send: agreed ? { type: "conversation.item.retrieve", item_id: item } : truncation(entry) }];
  }

  /**
   * Events for a resumed session about the last answer, if it was cut: the page knows what it played itself, and asks
   * what the server played on a track.
   * @returns {object[]}
   */
  corrections() {
    const last = this.#entries.answers.at(-1);
    if (last?.state !== "interrupted" || !last.item) return [];
    return [last.byTrack ? { type: "conversation.item.retrieve", item_id: last.item } : truncation(last)];
  }

  /**
   * Take over the server's transcript of what was played.
   * @param {any} item
   */
  keep(item) {
    const entry = this.#entries.answer(item.id);
    const transcript = item.content?.[0]?.transcript;
    if (entry?.state === "interrupted" && typeof transcript === "string") {
      entry.kept = transcript.split(/\s+/).filter(Boolean).length;
    }
  }

  /** Open answers of the response that is playing by track, in order. */
  get #playing() {
    return this.#entries.openAnswers.filter((entry) => entry.response === this.#clock.response);
  }

  /**
   * @param {string} item
   * @param {number} playedMs
   * @returns {Effect[]}
   */
  #stopped(item, playedMs) {
    const entry = this.#entries.answer(item);
    if (!entry) return [];
    cut(entry, playedMs);
    return [{ send: truncation(entry) }];
  }
}

/**
 * @param {AgentEntry} entry
 * @param {number} playedMs
 */
function cut(entry, playedMs) {
  entry.state = "interrupted";
  entry.playedMs = playedMs;
  // A word counts if it was played to its end. The server, which knows the ends exactly, corrects this.
  const ends = entry.words.map((_, position) => entry.words[position + 1]?.atMs ?? entry.audioMs);
  entry.kept = ends.filter((end, position) => entry.words[position].atMs !== null && end <= playedMs).length;
}

/** @param {AgentEntry} entry */
function truncation({ item, playedMs }) {
  return { type: "conversation.item.truncate", item_id: item, content_index: 0, audio_end_ms: Math.round(playedMs) };
}
