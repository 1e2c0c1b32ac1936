/**
 * Recordings of a call: a clip of every turn and answer, so that each can be replayed. They stay in this page's memory.
 * Blocks of 20 ms come in as they are captured or played; the events of the conversation cut them into clips.
 */

import { BLOCK_MS } from "../audio/block-recorder.js";
import { WIRE_RATE } from "../audio/pcm.js";

/** @typedef {import("./entries.js").Entry} Entry */
/** @typedef {import("./websocket-transport.js").ServerEvent} ServerEvent */

/** Microphone audio that is kept while nobody speaks: a turn is reported only after it has begun. */
const MICROPHONE_HISTORY_MS = 4000;
/** Audio kept before a turn: covers the delay of the first report, by which the clocks are aligned. */
const LEAD_MS = 400;
/** Audio of a track that may be played before the event that announces it, or after the one that ends it. */
const TRACK_MARGIN_MS = 300;
/** Total length of the clips, a limit on memory (58 MB). The oldest are dropped. */
const MAX_SAMPLES = 20 * 60 * WIRE_RATE;

export class Recordings {
  #microphone = new Tape(MICROPHONE_HISTORY_MS);
  #track = new Tape(TRACK_MARGIN_MS);
  /** @type {Map<string, Int16Array>} */
  #clips = new Map();
  /**
   * Where the server's clock of the microphone began on the tape, as far as is known; null before a first report.
   * @type {number | null}
   */
  #offsetMs = null;
  /** @type {number | null} */
  #turnStartMs = null;
  /**
   * The answer by track that is being recorded.
   * @type {{response: string, startMs: number, endMs: number | null} | null}
   */
  #answer = null;

  /** @param {Int16Array} pcm 20 ms of the microphone */
  addMicrophone(pcm) {
    this.#microphone.push(pcm, this.#turnStartMs !== null);
  }

  /** @param {Int16Array} pcm 20 ms of the output by track */
  addTrack(pcm) {
    this.#track.push(pcm, this.#answer !== null);
    const endMs = this.#answer?.endMs ?? null;
    if (endMs !== null && this.#track.endMs >= endMs) this.#finishAnswer();
  }

  /**
   * Add audio of an answer that comes with the events.
   * @param {string} item
   * @param {Int16Array} pcm
   */
  addAnswer(item, pcm) {
    this.#keep(item, concatenate([this.#clips.get(item) ?? new Int16Array(0), pcm]));
  }

  /** Note that a new connection begins: the server counts from zero again. */
  connect() {
    this.#offsetMs = this.#turnStartMs = null;
    this.#finishAnswer();
  }

  /** @param {ServerEvent} event */
  receive(event) {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.#turnStartMs = this.#tapeMs(event.audio_start_ms) - LEAD_MS;
        break;
      case "input_audio_buffer.speech_stopped":
        if (this.#turnStartMs === null) break;
        this.#keep(event.item_id, this.#microphone.cut(this.#turnStartMs, this.#tapeMs(event.audio_end_ms)));
        this.#turnStartMs = null;
        break;
      case "output_audio_buffer.started":
        this.#finishAnswer();
        this.#answer = { response: event.response_id, startMs: this.#track.endMs - TRACK_MARGIN_MS, endMs: null };
        break;
      case "output_audio_buffer.stopped":
      case "output_audio_buffer.cleared":
        if (this.#answer && this.#answer.response === event.response_id) {
          this.#answer.endMs ??= this.#track.endMs + TRACK_MARGIN_MS;
        }
        break;
    }
  }

  /**
   * The clip of an entry; null if there is none.
   * @param {Entry} entry
   * @returns {Int16Array | null}
   */
  clip(entry) {
    if (entry.role === "tool") return null;
    if (entry.role === "user") return entry.item === null ? null : (this.#clips.get(entry.item) ?? null);
    if (entry.byTrack) return this.#clips.get(entry.response) ?? null;
    const clip = this.#clips.get(entry.item);
    const played = entry.state === "interrupted" ? Math.round((entry.playedMs * WIRE_RATE) / 1000) : clip?.length;
    return clip?.subarray(0, played) ?? null;
  }

  /**
   * A time of the server's clock on the tape. The event that reports it comes late; the least delay seen is the offset.
   * @param {number} serverMs
   */
  #tapeMs(serverMs) {
    const offsetMs = this.#microphone.endMs - serverMs;
    this.#offsetMs = Math.min(this.#offsetMs ?? offsetMs, offsetMs);
    return serverMs + this.#offsetMs;
  }

  #finishAnswer() {
    if (!this.#answer) return;
    const { response, startMs } = this.#answer;
    this.#answer = null;
    this.#keep(response, this.#track.cut(startMs, this.#track.endMs));
  }

  /**
   * @param {string} key
   * @param {Int16Array} clip
   */
  #keep(key, clip) {
    this.#clips.delete(key);
    this.#clips.set(key, clip);
    let total = [...this.#clips.values()].reduce((sum, { length }) => sum + length, 0);
    for (const [oldest, { length }] of this.#clips) {
      if (total <= MAX_SAMPLES || oldest === key) break;
      this.#clips.delete(oldest);
      total -= length;
    }
  }
}

/** Blocks of 20 ms in order, of which the last ones are kept. */
class Tape {
  /** @type {Int16Array[]} */
  #blocks = [];
  #historyBlocks;
  /** Milliseconds recorded so far. */
  endMs = 0;

  /** @param {number} historyMs that are kept at least */
  constructor(historyMs) {
    this.#historyBlocks = historyMs / BLOCK_MS;
  }

  /**
   * @param {Int16Array} block
   * @param {boolean} keepAll whether nothing may be dropped
   */
  push(block, keepAll) {
    this.#blocks.push(block);
    this.endMs += BLOCK_MS;
    if (!keepAll) this.#blocks.splice(0, this.#blocks.length - this.#historyBlocks);
  }

  /**
   * The samples between two times, as far as they are kept.
   * @param {number} fromMs
   * @param {number} toMs
   */
  cut(fromMs, toMs) {
    const index = (/** @type {number} */ ms) => this.#blocks.length - Math.round((this.endMs - ms) / BLOCK_MS);
    return concatenate(this.#blocks.slice(Math.max(0, index(fromMs)), Math.max(0, index(toMs))));
  }
}

/** @param {Int16Array[]} parts */
function concatenate(parts) {
  const whole = new Int16Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
