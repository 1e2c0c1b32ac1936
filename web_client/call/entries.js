/** Entries of a conversation, as the page shows them. Times are ms of `performance.now()`. */

/**
 * A word of an answer, and where it begins in the answer's audio; null while unknown.
 * @typedef {{text: string, atMs: number | null}} Word
 */

/**
 * A turn of the user. It is "partial" while its transcript still changes, then "final".
 * @typedef {object} UserEntry
 * @property {"user"} role
 * @property {"partial" | "final"} state
 * @property {string | null} item id; null for typed text, and while the server has not decided that it is a turn
 * @property {number} at
 * @property {string} text
 */

/**
 * An answer of the agent.
 * @typedef {object} AgentEntry
 * @property {"agent"} role
 * @property {"pending" | "speaking" | "finished" | "interrupted"} state
 * @property {string} item id; "" while it only has thoughts
 * @property {string} response
 * @property {string} thoughts
 * @property {boolean} byTrack whether its audio came as a WebRTC track
 * @property {number} at
 * @property {string} text
 * @property {Word[]} words
 * @property {number} audioMs audio that has arrived or been announced
 * @property {number} playedMs
 * @property {number} kept words that were played, once it is interrupted
 * @property {number} gaps how often playback ran out of audio
 * @property {Record<string, number> | null} stages the server's timeline of the turn, in ms from the end of speech
 * @property {number | null} arrivedAt when its first audio arrived
 * @property {number | null} startedAt when its first audio was played
 */

/**
 * A call of one of the page's tools.
 * @typedef {object} ToolEntry
 * @property {"tool"} role
 * @property {"finished"} state
 * @property {string} item
 * @property {number} at
 * @property {string} callId
 * @property {string} name
 * @property {string} input JSON
 * @property {string} output JSON
 */

/** @typedef {UserEntry | AgentEntry | ToolEntry} Entry */

/** The entries of a conversation, in order. */
export class EntryList {
  /** @type {Entry[]} */
  all = [];

  /** @returns {AgentEntry[]} */
  get answers() {
    return this.all.filter((entry) => entry.role === "agent");
  }

  /** Answers that are not over. */
  get openAnswers() {
    return this.answers.filter(({ state }) => state === "pending" || state === "speaking");
  }

  /**
   * @template {Entry} T
   * @param {T} entry
   */
  add(entry) {
    this.all.push(entry);
    return entry;
  }

  /** @param {Entry} entry */
  remove(entry) {
    this.all = this.all.filter((other) => other !== entry);
  }

  /** @param {string} item */
  answer(item) {
    return this.answers.findLast((entry) => entry.item === item);
  }

  /**
   * Take in turns of the user whose words came while there was no connection.
   * @param {any[]} items the conversation as the server continues it
   * @param {number} now
   */
  recover(items, now) {
    const known = new Set(this.all.map(({ item }) => item));
    const last = items.findLastIndex(({ id }) => known.has(id));
    for (const [position, { id, content }] of items.entries()) {
      const said = content?.find((/** @type {any} */ { type }) => type === "input_audio")?.transcript?.trim();
      if (!said || (position <= last && !known.has(id))) continue;
      const entry = this.user(id) ?? this.add(userEntry(id, now));
      entry.text = said;
      entry.state = "final";
    }
  }

  /** @param {string} item */
  user(item) {
    return this.all.filter((entry) => entry.role === "user").findLast((entry) => entry.item === item);
  }
}

/**
 * @param {string | null} item
 * @param {number} now
 * @param {string} [text]
 * @returns {UserEntry}
 */
export function userEntry(item, now, text = "") {
  return { role: "user", item, at: now, text, state: "partial" };
}

/**
 * @param {string} item
 * @param {string} response
 * @param {number} now
 * @param {boolean} byTrack
 * @returns {AgentEntry}
 */
export function agentEntry(item, response, now, byTrack) {
  return {
    role: "agent",
    state: "pending",
    item,
    response,
    byTrack,
    thoughts: "",
    at: now,
    text: "",
    words: [],
    audioMs: 0,
    playedMs: 0,
    kept: 0,
    gaps: 0,
    stages: null,
    arrivedAt: null,
    startedAt: null,
  };
}

/**
 * How many words of an answer have begun to play.
 * @param {AgentEntry} entry
 */
export function playedWords(entry) {
  if (entry.state === "finished") return entry.words.length;
  if (entry.state === "interrupted") return entry.kept;
  const { playedMs, words } = entry;
  return playedMs > 0 ? words.filter(({ atMs }) => atMs !== null && atMs <= playedMs).length : 0;
}

/**
 * The words of an answer that were played, or will be.
 * @param {AgentEntry} entry
 */
export function playedText(entry) {
  const words = entry.state === "interrupted" ? entry.words.slice(0, entry.kept) : entry.words;
  return words.map(({ text }) => text).join(" ");
}

/**
 * Milliseconds from the end of the user's speech to each stage of the answer, in order: the server's timeline, and
 * `played`, the moment at which the first audio was audible, as measured here.
 * @param {AgentEntry} entry
 * @returns {[stage: string, ms: number][]}
 */
export function stagesOf(entry) {
  const stages = { ...entry.stages };
  if (stages.first_packet !== undefined && entry.startedAt !== null && entry.arrivedAt !== null) {
    stages.played = stages.first_packet + Math.max(0, entry.startedAt - entry.arrivedAt);
  }
  return Object.entries(stages).sort(([, one], [, other]) => one - other);
}

/**
 * Milliseconds from the end of the user's speech to the first audio of the answer; null where that is unknown.
 * @param {Entry} entry
 */
export function voiceToVoice(entry) {
  if (entry.role !== "agent" || entry.stages?.speech_ended === undefined) return null;
  return Object.fromEntries(stagesOf(entry)).played ?? null;
}
