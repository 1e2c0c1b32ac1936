/**
 * The conversation as captions. Words of an answer light up as they are played, and are struck out where it was
 * interrupted.
 */

import { playedText, playedWords, voiceToVoice } from "../call/entries.js";
import { captionElement } from "./caption-element.js";
import { formatSeconds } from "./timing/format.js";

/** @typedef {import("../call/entries.js").Entry} Entry */
/** @typedef {import("../call/entries.js").AgentEntry} AgentEntry */

/**
 * What an entry's caption shows besides its text.
 * @typedef {{selected: boolean, replayable: boolean, replaying: boolean}} Marks
 */

/** Distance from the end, in pixels, within which the reader counts as following along. */
const AT_END = 60;

export class Captions {
  /**
   * Called with an answer whose timing the user wants to see.
   * @type {(entry: AgentEntry) => void}
   */
  onSelect = () => {};
  /**
   * Called with an entry whose recording the user wants to hear, or to stop.
   * @type {(entry: Entry) => void}
   */
  onReplay = () => {};

  #list;
  #scroller;
  #toLatest;
  #announcer;
  /**
   * Element and appearance of each entry.
   * @type {Map<Entry, {element: HTMLElement, state: string, appearance: string}>}
   */
  #shown = new Map();
  #following = true; // the reader is at the end and wants to stay there

  /**
   * @param {{list: HTMLElement, scroller: HTMLElement, toLatest: HTMLElement, announcer: HTMLElement}} elements the
   * list, what scrolls it, a button that leads back to the end, and a live region for screen readers
   */
  constructor({ list, scroller, toLatest, announcer }) {
    this.#list = list;
    this.#scroller = scroller;
    this.#toLatest = toLatest;
    this.#announcer = announcer;
    toLatest.onclick = () => {
      this.#following = true;
      this.#follow();
      scroller.focus();
    };
    scroller.addEventListener("scroll", () => {
      this.#following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < AT_END;
      toLatest.hidden = this.#following;
    });
    new ResizeObserver(() => this.#follow()).observe(scroller);
  }

  /**
   * @param {Entry[]} entries
   * @param {(entry: Entry) => Marks} marksOf
   */
  render(entries, marksOf) {
    for (const [entry, { element }] of this.#shown) {
      if (entries.includes(entry)) continue;
      element.remove();
      this.#shown.delete(entry);
    }
    for (const entry of entries) this.#show(entry, marksOf(entry));
    this.#follow();
  }

  #follow() {
    if (!this.#shown.size) this.#following = true;
    else if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#toLatest.hidden = this.#following;
  }

  /**
   * @param {Entry} entry
   * @param {Marks} marks
   */
  #show(entry, marks) {
    const appearance = appearanceOf(entry, marks);
    const known = this.#shown.get(entry);
    if (known?.appearance === appearance) return;
    const element = known?.element ?? this.#list.appendChild(this.#build(entry));
    this.#shown.set(entry, { element, state: entry.state, appearance });
    element.className = `${entry.role} ${entry.state}`;
    if (entry.role === "tool") return;
    const line = /** @type {HTMLElement} */ (element.querySelector("p"));
    if (entry.role === "user") line.textContent = entry.text || "…";
    else {
      renderWords(line, entry);
      renderThoughts(element, entry);
    }
    markReplay(element, marks);
    markDuration(element, entry, marks);
    if (known && known.state !== entry.state) this.#announce(entry);
  }

  /** @param {Entry} entry */
  #build(entry) {
    return captionElement(entry, {
      replay: () => this.onReplay(entry),
      select: () => entry.role === "agent" && this.onSelect(entry),
    });
  }

  /**
   * Announce final text only: words that still change would be read over and over.
   * @param {Entry} entry
   */
  #announce(entry) {
    if (entry.role === "user" && entry.state === "final") this.#announcer.textContent = `You: ${entry.text}`;
    if (entry.role !== "agent") return;
    if (entry.state === "finished") this.#announcer.textContent = `Antiphon: ${playedText(entry)}`;
    if (entry.state === "interrupted") this.#announcer.textContent = `Antiphon, interrupted: ${playedText(entry)}`;
  }
}

/**
 * All that a caption depends on.
 * @param {Entry} entry
 * @param {Marks} marks
 */
function appearanceOf(entry, { selected, replayable, replaying }) {
  const marks = [entry.state, selected, replayable, replaying];
  if (entry.role === "user") return [...marks, entry.text].join("|");
  if (entry.role === "tool") return marks.join("|");
  return [...marks, entry.text, entry.thoughts, playedWords(entry), voiceToVoice(entry)].join("|");
}

/**
 * @param {HTMLElement} element
 * @param {Marks} marks
 */
function markReplay(element, { replayable, replaying }) {
  const button = /** @type {HTMLElement} */ (element.querySelector(".replay"));
  button.hidden = !replayable;
  button.ariaPressed = String(replaying);
  button.ariaLabel = replaying ? "Stop replaying" : "Replay";
}

/**
 * @param {HTMLElement} element
 * @param {Entry} entry
 * @param {Marks} marks
 */
function markDuration(element, entry, { selected }) {
  const button = /** @type {HTMLElement} */ (element.querySelector(".duration"));
  const ms = voiceToVoice(entry);
  button.hidden = ms === null;
  if (ms === null) return;
  button.textContent = formatSeconds(ms);
  button.ariaLabel = `${formatSeconds(ms)} after your last word; show where the time went`;
  button.ariaPressed = String(selected);
}

/**
 * Show the words of an answer up to the end of the sentence being played. Elements are kept, so that each word can
 * light up.
 * @param {HTMLElement} line
 * @param {AgentEntry} entry
 */
function renderWords(line, entry) {
  const played = playedWords(entry);
  const shown = entry.words.slice(0, sentenceEnd(entry.words, played));
  for (const [position, { text }] of shown.entries()) {
    const tag = entry.state === "interrupted" && position >= played ? "del" : "span";
    let word = line.children[position];
    if (word?.localName !== tag) {
      const replacement = document.createElement(tag);
      if (word) word.replaceWith(replacement);
      else line.append(position ? " " : "", replacement);
      word = replacement;
    }
    if (word.textContent !== text) word.textContent = text;
    word.classList.toggle("played", position < played);
  }
  while (line.children.length > shown.length) line.lastElementChild?.remove();
}

/**
 * Show what the agent thinks about an answer, and follow it to its end.
 * @param {HTMLElement} element
 * @param {AgentEntry} entry
 */
function renderThoughts(element, entry) {
  const details = /** @type {HTMLElement} */ (element.querySelector(".thoughts"));
  const text = /** @type {HTMLElement} */ (details.lastElementChild);
  const thoughts = entry.thoughts.trim();
  details.hidden = !thoughts;
  if (text.textContent === thoughts) return;
  text.textContent = thoughts;
  text.scrollTop = text.scrollHeight;
}

/**
 * End of the sentence at `position`. Nothing beyond it is shown, so that the reader doesn't run ahead of the voice.
 * @param {AgentEntry["words"]} words
 * @param {number} position
 */
function sentenceEnd(words, position) {
  const end = words.findIndex(({ text }, at) => at >= position && /[.?!]["”’)]*$/.test(text));
  return end < 0 ? words.length : end + 1;
}
