// A conversation as its page sees it: server events and playback reports in, captions and timings out. Knows no DOM,
// no socket and no clock: times are handed in, in milliseconds of the page's own. What is to be done comes back as a list of effects:
// `{send: event}` to the server; `{stop: true}`, `{end: item}` and `{follow: state}` to the loudspeaker.

import { TrackClock } from "./track-clock.js";

const HARMLESS_ERRORS = new Set(["response_cancel_not_active", "item_not_found"]);
/** An answer by track may be heard so much earlier than its start is told of: the two come by different roads. */
const ROADS_DIFFER_MS = 300;

export class Session {
  /** As the server last described it; null until it has. */
  settings = null;
  /** What was said, in order: see `you` and `agent` below. */
  entries = [];
  /** What was thought about each answer, by the id of its response. */
  thoughts = new Map();
  /** Whether sound comes by track. Then the server plays it, and so it counts what was heard, and cuts answers, by itself. */
  byTrack = false;
  /** Who has the floor: "listening", "you", "thinking" or "agent". */
  get floor() {
    if (this.#hearing) return "you";
    if (this.entries.some((entry) => isOpen(entry) && entry.audioMs > 0)) return "agent";
    return this.#response || this.#waiting ? "thinking" : "listening";
  }

  #hearing = false;
  #waiting = false; // a turn is over and its answer has not begun
  #response = null;
  #clock = new TrackClock();
  #heardAt = -Infinity;

  /** Take a server event. Returns effects. */
  receive(event, now) {
    switch (event.type) {
      case "session.created":
      case "session.updated":
        this.settings = event.session;
        return [];
      case "input_audio_buffer.speech_started":
        this.#hearing = true;
        this.#waiting = false;
        this.#you(event.item_id, now);
        return this.#cutAll();
      case "input_audio_buffer.speech_stopped":
        this.#hearing = false;
        this.#waiting = true;
        return [];
      case "conversation.item.input_audio_transcription.delta":
        this.#you(event.item_id, now).text += event.delta;
        return [];
      case "conversation.item.input_audio_transcription.completed":
        this.#understood(event.item_id, event.transcript.trim());
        return [];
      case "conversation.item.input_audio_transcription.failed":
        this.#understood(event.item_id, "");
        return [];
      case "response.created":
        this.#response = event.response.id;
        this.#waiting = false;
        return [];
      case "response.output_item.added":
        if (event.item.type === "message") {
          this.entries.push(agent(event.item.id, event.response_id, now, this.byTrack));
        }
        return [];
      case "response.output_audio_transcript.delta":
        this.#words(event.item_id, event.delta);
        return [];
      case "response.output_audio.done":
        return this.#made(event.item_id);
      case "output_audio_buffer.started":
        this.#started(event.response_id, now);
        return [];
      case "output_audio_buffer.stopped":
        this.#playedOut(event.response_id);
        return [];
      case "output_audio_buffer.cleared":
        this.#cutOff(event.response_id);
        return [];
      case "antiphon.playback":
        return this.#follow(event.state, now);
      case "antiphon.thoughts.delta":
        this.thoughts.set(event.response_id, (this.thoughts.get(event.response_id) ?? "") + event.delta);
        return [];
      case "response.done":
        return this.#done(event.response);
      case "conversation.item.truncated":
        return this.#truncated(event);
      case "conversation.item.retrieved":
        this.#kept(event.item);
        return [];
    }
    return [];
  }

  /** Sound of `item` came in, so much of it. Returns whether it is wanted. */
  audio(item, durationMs, now) {
    const entry = this.#find(item);
    if (!entry || entry.state === "cut") return false;
    entry.arrivedAt ??= now;
    // The words that came just ahead of a piece of sound are the ones that begin in it.
    const words = entry.words.filter((word) => word.at === null);
    words.forEach((word, place) => (word.at = entry.audioMs + (place * durationMs) / words.length));
    entry.audioMs += durationMs;
    return true;
  }

  /** Take a report of the loudspeaker. Returns effects. */
  played(report) {
    if (report.type === "stopped") return report.cut.flatMap(({ item, playedMs }) => this.#stopped(item, playedMs));
    const entry = this.#find(report.item);
    // It was over before the loudspeaker could be told to stop.
    if (entry?.state === "cut" && report.type === "ended") return this.#stopped(report.item, report.playedMs);
    if (!entry || entry.state === "cut") return [];
    if (report.type === "began") entry.startedAt = report.at;
    if (report.playedMs !== undefined) entry.playedMs = report.playedMs;
    if (report.type === "ended") entry.state = "said";
    else entry.state = "speaking";
    if (report.type === "starved") entry.gaps += 1;
    return [];
  }

  /** Time goes by: an answer by track is that much further. */
  tick(now) {
    const made = this.#sounding().reduce((sum, entry) => sum + entry.audioMs, 0);
    let left = this.#clock.played(now, made);
    for (const entry of this.#sounding()) {
      entry.playedMs = Math.min(left, entry.audioMs);
      left -= entry.playedMs;
      if (entry.playedMs > 0 && entry.state === "coming") entry.state = "speaking";
    }
  }

  /** The loudspeaker was silent, and began to sound. Of what comes by track, nothing else tells. */
  heard(at) {
    this.#heardAt = at;
    const silent = this.#sounding().find(({ startedAt }) => startedAt === null);
    if (silent) silent.startedAt = at;
  }

  /** The person wants silence. Returns effects. */
  interrupt() {
    const cancel = this.#response ? [{ send: { type: "response.cancel" } }] : [];
    const clear = this.byTrack ? [{ send: { type: "output_audio_buffer.clear" } }] : [];
    this.#waiting = false;
    return [...cancel, ...clear, ...this.#cutAll()];
  }

  /** The person writes instead of speaking; what is being said ends. Returns effects. */
  write(text, now) {
    const effects = this.#response || this.entries.some(isOpen) ? this.interrupt() : [];
    this.entries.push({ ...you(null, now), text, state: "understood" });
    this.#waiting = true;
    return [...effects, { send: message("user", text) }, { send: { type: "response.create" } }];
  }

  /** The connection is gone: nothing that was open will be finished. Returns effects. */
  disconnect() {
    this.#hearing = this.#waiting = false;
    this.#response = null;
    this.#clock.stop();
    this.entries = this.entries.filter((entry) => entry.who === "agent" || entry.text);
    for (const entry of this.entries) if (entry.who === "you") entry.state = "understood";
    return this.#cutAll();
  }

  /** What a new connection has to be told, so that the agent remembers. */
  memories() {
    const said = this.entries.map((entry) => [entry.who, entry.who === "you" ? entry.text : saidBy(entry)]);
    return said.filter(([, text]) => text).map(([who, text]) => message(who === "you" ? "user" : "assistant", text));
  }

  /** Whether an event of type `error` is worth telling: some only say that two wishes crossed on their way. */
  static isHarmless(error) {
    return HARMLESS_ERRORS.has(error.code);
  }

  #find(item) {
    return this.entries.findLast((entry) => entry.item === item);
  }

  #you(item, now) {
    let entry = this.#find(item);
    if (!entry) this.entries.push((entry = you(item, now)));
    return entry;
  }

  #understood(item, text) {
    const entry = this.#find(item);
    if (!entry) return;
    entry.state = "understood";
    entry.text = text;
    if (text) return;
    // A cough, or a door: nothing that belongs in a transcript, and nothing that will be answered.
    this.entries = this.entries.filter((other) => other !== entry);
    this.#waiting = false;
  }

  #words(item, delta) {
    const entry = this.#find(item);
    if (!entry || entry.state === "cut") return;
    entry.text += delta;
    for (const [place, text] of entry.text.trim().split(/\s+/).entries()) {
      if (place < entry.words.length) entry.words[place].text = text;
      else if (text) entry.words.push({ text, at: null });
    }
  }

  #made(item) {
    const entry = this.#find(item);
    if (!entry || entry.state === "cut") return [];
    for (const word of entry.words) word.at ??= entry.audioMs;
    return [{ end: item }];
  }

  /** The answers by track that are sounding: those of one response, in order. */
  #sounding() {
    return this.entries.filter((entry) => isOpen(entry) && entry.response === this.#clock.response);
  }

  #started(response, now) {
    this.#clock.start(response, now);
    for (const entry of this.#sounding()) entry.arrivedAt = now;
    if (now - this.#heardAt < ROADS_DIFFER_MS) this.heard(this.#heardAt);
  }

  #playedOut(response) {
    for (const entry of this.entries) {
      if (!isOpen(entry) || entry.response !== response) continue;
      entry.playedMs = entry.audioMs;
      entry.state = "said";
    }
    this.#clock.stop();
  }

  /** The server has stopped an answer. */
  #cutOff(response) {
    for (const entry of this.entries) {
      if (isOpen(entry) && entry.response === response) this.#cut(entry, entry.playedMs);
    }
    if (this.#clock.response === response) this.#clock.stop();
  }

  #follow(state, now) {
    if (!this.byTrack) return [{ follow: state }];
    if (state === "paused") this.#clock.wait(now);
    else this.#clock.goOn(now);
    return [];
  }

  #done(response) {
    if (this.#response === response.id) this.#response = null;
    const entry = this.entries.findLast((entry) => entry.response === response.id);
    const timeline = response.metadata?.timeline;
    if (entry && timeline) entry.stages = JSON.parse(timeline);
    // Stopped before its first sound, or no speech at all.
    if (entry && !entry.audioMs) this.entries = this.entries.filter((other) => other !== entry);
    else if (this.byTrack && response.status === "cancelled") {
      this.#cutOff(response.id);
      for (const item of response.output) this.#kept(item);
    }
    return [];
  }

  /** All answers that still have something to say. Returns effects. */
  #cutAll() {
    this.entries = this.entries.filter((entry) => !isOpen(entry) || entry.audioMs > 0);
    const open = this.entries.filter(isOpen);
    for (const entry of open) this.#cut(entry, entry.playedMs);
    this.#clock.stop();
    return open.length ? [{ stop: true }] : [];
  }

  #cut(entry, playedMs) {
    entry.state = "cut";
    entry.playedMs = playedMs;
    // A word counts as said when it was heard to its end. The server, which knows the ends exactly, corrects this.
    const ends = entry.words.map((_, place) => entry.words[place + 1]?.at ?? entry.audioMs);
    entry.kept = ends.filter((end, place) => entry.words[place].at !== null && end <= playedMs).length;
  }

  #stopped(item, playedMs) {
    const entry = this.#find(item);
    if (!entry) return [];
    this.#cut(entry, playedMs);
    return [{ send: truncation(entry) }];
  }

  #truncated({ item_id, audio_end_ms }) {
    const entry = this.#find(item_id);
    if (entry && this.byTrack) this.#cut(entry, audio_end_ms);
    if (!entry || entry.state !== "cut") return [];
    // Over a WebSocket the server only reckons; the loudspeaker knows.
    const agreed = this.byTrack || audio_end_ms === Math.round(entry.playedMs);
    return [{ send: agreed ? { type: "conversation.item.retrieve", item_id } : truncation(entry) }];
  }

  #kept(item) {
    const entry = this.#find(item.id);
    const transcript = item.content?.[0]?.transcript;
    if (entry?.state === "cut" && typeof transcript === "string") {
      entry.kept = transcript.split(/\s+/).filter(Boolean).length;
    }
  }
}

/** What the person says. `state`: "hearing", while the words firm up, then "understood". */
function you(item, now) {
  return { who: "you", item, at: now, text: "", state: "hearing" };
}

/**
 * What the agent says. `state`: "coming", "speaking", "said" or "cut". `words` have the time `at` which they begin in
 * the answer's sound; of one that was cut the first `kept` were heard. `stages`: the server's times of the turn.
 * `gaps`: how often the sound ran dry. `byTrack`: how it came.
 */
function agent(item, response, now, byTrack) {
  return {
    who: "agent",
    item,
    response,
    byTrack,
    at: now,
    text: "",
    words: [],
    audioMs: 0,
    playedMs: 0,
    kept: 0,
    gaps: 0,
    state: "coming",
    stages: null,
    arrivedAt: null,
    startedAt: null,
  };
}

function isOpen({ who, state }) {
  return who === "agent" && (state === "coming" || state === "speaking");
}

function truncation(entry) {
  const { item, playedMs } = entry;
  return { type: "conversation.item.truncate", item_id: item, content_index: 0, audio_end_ms: Math.round(playedMs) };
}

function message(role, text) {
  const type = role === "user" ? "input_text" : "output_text";
  return { type: "conversation.item.create", item: { type: "message", role, content: [{ type, text }] } };
}

/** The words of an answer that were heard. */
export function saidBy(entry) {
  const words = entry.state === "cut" ? entry.words.slice(0, entry.kept) : entry.words;
  return words.map(({ text }) => text).join(" ");
}

/**
 * Milliseconds from the end of the person's speech to each stage of the answer, in order. The server's, and `heard`:
 * when the first sound reached the loudspeaker, as measured here.
 */
export function stagesOf(entry) {
  const stages = { ...entry.stages };
  if (stages.first_packet !== undefined && entry.startedAt !== null) {
    stages.heard = stages.first_packet + Math.max(0, entry.startedAt - entry.arrivedAt);
  }
  return Object.entries(stages).sort(([, one], [, other]) => one - other);
}

/** Milliseconds from the end of the person's speech to the first sound of the answer; null where that is unknown. */
export function voiceToVoice(entry) {
  if (entry.who !== "agent" || entry.stages?.speech_ended === undefined) return null;
  return Object.fromEntries(stagesOf(entry)).heard ?? null;
}
