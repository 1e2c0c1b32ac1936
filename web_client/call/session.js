/**
 * A conversation as the page sees it: server events and playback reports in, captions and timings out. It knows no
 * DOM, no socket and no clock: times are passed in, in ms of `performance.now()`, and what is to be done is returned.
 */

import { Answers } from "./answers.js";
import { agentEntry, EntryList, playedText, userEntry } from "./entries.js";
import { runTool } from "./tools.js";

/** @typedef {import("./entries.js").UserEntry} UserEntry */
/** @typedef {import("./entries.js").AgentEntry} AgentEntry */
/** @typedef {import("./websocket-transport.js").ServerEvent} ServerEvent */
/** @typedef {import("../audio/audio-io.js").PlaybackReport} PlaybackReport */
/** @typedef {import("../audio/audio-io.js").PlaybackState} PlaybackState */
/** @typedef {import("../audio/word-start.js").ResumedAnswer} ResumedAnswer */

/**
 * Something to be done: send an event to the server, or have the output stop, end an item or change its state.
 * @typedef {{send?: object, stop?: true, end?: string, playback?: PlaybackState, resumed?: ResumedAnswer}} Effect
 */

/** Who has the floor. @typedef {"listening" | "user" | "thinking" | "agent"} Floor */

const HARMLESS_ERRORS = new Set(["response_cancel_not_active", "item_truncate_invalid_item_id"]);

export class Session {
  /**
   * The session object as the server last reported it; null before.
   * @type {any}
   */
  settings = null;

  #entries = new EntryList();
  #answers = new Answers(this.#entries);
  #hearing = false;
  #waiting = false; // a turn is over and its answer has not begun
  /** @type {string | null} */
  #response = null;
  /**
   * Speech over an answer, while the server has not decided whether it is a turn.
   * @type {UserEntry | null}
   */
  #overlap = null;
  /** An entry that shows words overheard before it was a turn, until it has as many of its own, which are `said`. */
  #overheard = { entry: /** @type {UserEntry | null} */ (null), said: "" };

  /** What was said, in order. */
  get entries() {
    return this.#entries.all;
  }

  /** Who has the floor. @returns {Floor} */
  get floor() {
    if (this.#hearing || this.#overlap) return "user";
    if (this.#isSpeaking) return "agent";
    return this.#response || this.#waiting ? "thinking" : "listening";
  }

  /** Whether there is an answer to interrupt. */
  get isAnswering() {
    return this.#isSpeaking || this.#response !== null || this.#waiting;
  }

  get #isSpeaking() {
    return this.#entries.openAnswers.some(({ audioMs }) => audioMs > 0);
  }

  /** Whether audio comes by track. */
  get byTrack() {
    return this.#answers.byTrack;
  }

  set byTrack(byTrack) {
    this.#answers.byTrack = byTrack;
  }

  /**
   * Process a server event.
   * @param {ServerEvent} event
   * @param {number} now
   * @returns {Effect[]}
   */
  receive(event, now) {
    const answers = this.#answers;
    switch (event.type) {
      case "session.created":
      case "session.updated":
        this.settings = event.session;
        return [];
      case "antiphon.resumption":
        if (event.resumed) this.#entries.recover(event.items, now);
        return [];
      case "input_audio_buffer.speech_started":
        this.#hearing = true;
        this.#waiting = false;
        this.#turn(event.item_id, now);
        return answers.cutAll();
      case "input_audio_buffer.speech_stopped":
        this.#hearing = false;
        this.#waiting = true;
        return [];
      case "conversation.item.input_audio_transcription.delta":
        this.#addWords(this.#turn(event.item_id, now), event.delta);
        return [];
      case "conversation.item.input_audio_transcription.completed":
        this.#finalize(event.item_id, event.transcript.trim());
        return [];
      case "conversation.item.input_audio_transcription.failed":
        this.#finalize(event.item_id, "");
        return [];
      case "response.created":
        this.#response = event.response.id;
        this.#waiting = false;
        return [];
      case "response.output_item.added":
        if (event.item.type === "message") this.#answer(event.response_id, event.item.id, now);
        return [];
      case "response.output_audio_transcript.delta":
        answers.addWords(event.item_id, event.delta);
        return [];
      case "response.output_audio.done":
        return answers.complete(event.item_id);
      case "output_audio_buffer.started":
        answers.started(event.response_id, now);
        return [];
      case "output_audio_buffer.stopped":
        answers.playedToEnd(event.response_id);
        return [];
      case "output_audio_buffer.cleared":
        answers.cutOff(event.response_id);
        return [];
      case "antiphon.playback":
        this.#setOverlap(event.state !== "full", now);
        return answers.setPlayback(event.state, now, resumedAnswer(event));
      case "antiphon.overheard":
        if (this.#overlap) this.#overlap.text = event.text.trim();
        this.#overheard = { entry: this.#overlap, said: "" };
        return [];
      case "antiphon.thoughts.delta":
        this.#think(event.response_id, event.delta, now);
        return [];
      case "response.done":
        return this.#done(event.response, now);
      case "conversation.item.truncated":
        return answers.truncated(event.item_id, event.audio_end_ms);
      case "conversation.item.retrieved":
        answers.keep(event.item);
        return [];
    }
    return [];
  }

  /**
   * Note that audio of `item` arrived. Returns whether it is wanted.
   * @param {string} item
   * @param {number} durationMs
   * @param {number} now
   */
  audio(item, durationMs, now) {
    return this.#answers.addAudio(item, durationMs, now);
  }

  /**
   * Process a report about audio that the page plays.
   * @param {PlaybackReport} report
   */
  played(report) {
    return this.#answers.played(report);
  }

  /**
   * Advance the playback position of an answer by track.
   * @param {number} now
   */
  tick(now) {
    this.#answers.tick(now);
  }

  /**
   * Note that the output became audible at `at`. For audio by track this is the only sign of it.
   * @param {number} at
   */
  audible(at) {
    this.#answers.audible(at);
  }

  /**
   * Stop the answer, as the user asked.
   * @returns {Effect[]}
   */
  interrupt() {
    const cancel = this.#response ? [{ send: { type: "response.cancel" } }] : [];
    const clear = this.byTrack ? [{ send: { type: "output_audio_buffer.clear" } }] : [];
    this.#waiting = false;
    return [...cancel, ...clear, ...this.#answers.cutAll()];
  }

  /**
   * Send typed text as a turn of the user. An answer in progress is interrupted.
   * @param {string} text
   * @param {number} now
   * @returns {Effect[]}
   */
  write(text, now) {
    const effects = this.#response || this.#entries.openAnswers.length ? this.interrupt() : [];
    this.#entries.add(userEntry(null, now, text)).state = "final";
    this.#waiting = true;
    return [...effects, { send: message("user", text) }, { send: { type: "response.create" } }];
  }

  /**
   * Note that the connection is lost: nothing that was open will be finished.
   * @returns {Effect[]}
   */
  disconnect() {
    this.#hearing = this.#waiting = false;
    this.#response = null;
    this.#setOverlap(false, 0);
    for (const entry of this.entries.filter((entry) => entry.role === "user")) {
      entry.state = "final";
      if (!entry.text) this.#entries.remove(entry);
    }
    return this.#answers.cutAll();
  }

  /**
   * Events that bring a resumed session to what was heard here of the answer that the lost connection cut.
   * @returns {object[]}
   */
  corrections() {
    return this.#answers.corrections();
  }

  /**
   * Events that give a new connection the conversation so far.
   * @returns {object[]}
   */
  history() {
    return this.entries.flatMap(historyEvents);
  }

  /**
   * Whether an `error` event only means that two requests crossed on their way.
   * @param {{code?: string}} error
   */
  static isHarmless(error) {
    return HARMLESS_ERRORS.has(error.code ?? "");
  }

  /**
   * The user's entry of an item; a new one if there is none yet.
   * @param {string} item
   * @param {number} now
   */
  #turn(item, now) {
    const known = this.#entries.user(item);
    if (known) return known;
    const entry = this.#overlap ?? this.#entries.add(userEntry(item, now));
    entry.item = item;
    this.#overlap = null;
    return entry;
  }

  /**
   * @param {UserEntry} entry
   * @param {string} delta
   */
  #addWords(entry, delta) {
    const overheard = this.#overheard.entry === entry;
    const said = overheard ? this.#overheard.said + delta : entry.text + delta;
    this.#overheard.said = said;
    if (overheard && said.length < entry.text.length) return;
    entry.text = said;
    this.#overheard.entry = null;
  }

  /**
   * Begin an answer; its thoughts may have come before.
   * @param {string} response
   * @param {string} item
   * @param {number} now
   */
  #answer(response, item, now) {
    const begun = this.#entries.answers.find((entry) => entry.response === response && !entry.item);
    if (begun) begun.item = item;
    else this.#entries.add(agentEntry(item, response, now, this.byTrack));
  }

  /**
   * Add to the thoughts about the latest answer of a response.
   * @param {string} response
   * @param {string} delta
   * @param {number} now
   */
  #think(response, delta, now) {
    const known = this.#entries.answers.findLast((entry) => entry.response === response);
    const entry = known ?? this.#entries.add(agentEntry("", response, now, this.byTrack));
    entry.thoughts += delta;
  }

  /**
   * Show speech over an answer from its beginning: what it is, the server decides later.
   * @param {boolean} overlapping
   * @param {number} now
   */
  #setOverlap(overlapping, now) {
    if (overlapping) this.#overlap ??= this.#entries.add(userEntry(null, now));
    else if (this.#overlap) {
      this.#entries.remove(this.#overlap);
      this.#overlap = null;
    }
  }

  /**
   * @param {string} item
   * @param {string} text
   */
  #finalize(item, text) {
    const entry = this.#entries.user(item);
    if (!entry) return;
    entry.state = "final";
    entry.text = text;
    if (text) return;
    // A cough or a door: it has no place in a transcript, and will not be answered.
    this.#entries.remove(entry);
    this.#waiting = false;
  }

  /**
   * @param {any} response
   * @param {number} now
   * @returns {Effect[]}
   */
  #done(response, now) {
    if (this.#response === response.id) this.#response = null;
    const entry = this.#entries.answers.findLast((entry) => entry.response === response.id);
    const timeline = response.metadata?.timeline;
    if (entry && timeline) entry.stages = JSON.parse(timeline);
    // It was stopped before its first audio, or is no speech at all.
    if (entry && !entry.audioMs) this.#entries.remove(entry);
    else if (this.byTrack && response.status === "cancelled") {
      this.#answers.cutOff(response.id);
      for (const item of response.output) this.#answers.keep(item);
    }
    return response.status === "completed" ? this.#runTools(response.output, now) : [];
  }

  /**
   * Run the tools that a response calls, and ask for the answer that uses their results.
   * @param {any[]} output
   * @param {number} now
   * @returns {Effect[]}
   */
  #runTools(output, now) {
    const calls = output.filter(({ type }) => type === "function_call");
    if (!calls.length) return [];
    this.#waiting = true;
    const results = calls.map(({ id, call_id, name, arguments: input }) => {
      const output = runTool(name);
      this.#entries.add({ role: "tool", state: "finished", item: id, callId: call_id, at: now, name, input, output });
      return { send: { type: "conversation.item.create", item: { type: "function_call_output", call_id, output } } };
    });
    return [...results, { send: { type: "response.create" } }];
  }
}

/**
 * @param {ServerEvent} event
 * @returns {ResumedAnswer | undefined}
 */
function resumedAnswer({ item_id: item, words_ms: wordsMs = [] }) {
  return item && { item, wordsMs };
}

/**
 * @param {"user" | "assistant"} role
 * @param {string} text
 */
function message(role, text) {
  const type = role === "user" ? "input_text" : "output_text";
  return { type: "conversation.item.create", item: { type: "message", role, content: [{ type, text }] } };
}

/**
 * @param {import("./entries.js").Entry} entry
 * @returns {object[]}
 */
function historyEvents(entry) {
  if (entry.role === "tool") {
    const { callId, name, input, output } = entry;
    const items = [
      { type: "function_call", call_id: callId, name, arguments: input },
      { type: "function_call_output", call_id: callId, output },
    ];
    return items.map((item) => ({ type: "conversation.item.create", item }));
  }
  const text = entry.role === "user" ? entry.text : playedText(entry);
  return text ? [message(entry.role === "user" ? "user" : "assistant", text)] : [];
}
