// What is heard and said, as it comes. Words of an answer light up as they are spoken, and are struck off where it was cut.

import { saidBy, voiceToVoice } from "./session.js";

const NAMES = { you: "You", agent: "Antiphon" };
/** Pixels from the end within which the reader counts as following along. */
const AT_END = 60;

export class Captions {
  /** Called with an answer whose timing the person wants to see. */
  onSelect = () => {};

  #list;
  #scroller;
  #announcer;
  #shown = new Map(); // element and look of each entry
  #following = true; // the reader is at the end, and wants to stay there

  /** @param list of the captions @param scroller that holds it @param announcer read out by screen readers */
  constructor(list, scroller, announcer) {
    this.#list = list;
    this.#scroller = scroller;
    this.#announcer = announcer;
    scroller.addEventListener("scroll", () => {
      this.#following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < AT_END;
    });
    new ResizeObserver(() => this.#follow()).observe(scroller);
  }

  render(entries, selected) {
    for (const [entry, { element }] of this.#shown) {
      if (entries.includes(entry)) continue;
      element.remove();
      this.#shown.delete(entry);
    }
    for (const entry of entries) this.#show(entry, entry === selected);
    this.#follow();
  }

  #follow() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #show(entry, selected) {
    const look = [entry.state, entry.text, spoken(entry), entry.kept, took(entry), selected].join("|");
    const known = this.#shown.get(entry);
    if (known?.look === look) return;
    const element = known?.element ?? this.#list.appendChild(this.#build(entry));
    this.#shown.set(entry, { element, look });
    element.className = `${entry.who} ${entry.state}`;
    const line = element.querySelector("p");
    if (entry.who === "you") line.textContent = entry.text || "…";
    else fill(line, entry);
    this.#time(element, entry, selected);
    if (known && known.look.split("|")[0] !== entry.state) this.#announce(entry);
  }

  #build(entry) {
    const element = document.createElement("li");
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = NAMES[entry.who];
    element.append(name, document.createElement("p"));
    return element;
  }

  #time(element, entry, selected) {
    const text = took(entry);
    if (!text) return;
    let button = element.querySelector("button");
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.onclick = () => this.onSelect(entry);
      element.querySelector(".name").after(button);
    }
    button.textContent = text;
    button.ariaLabel = `${text} after your last word; show where the time went`;
    button.ariaPressed = String(selected);
  }

  /** Only what is final is read out: words that still change would be read over and over. */
  #announce(entry) {
    if (entry.state === "understood") this.#announcer.textContent = `You: ${entry.text}`;
    if (entry.state === "said") this.#announcer.textContent = `Antiphon: ${saidBy(entry)}`;
    if (entry.state === "cut") this.#announcer.textContent = `Antiphon, interrupted: ${saidBy(entry)}`;
  }
}

/** Words are added, never made anew, so that each one can light up. */
export function fill(line, entry) {
  const heard = spoken(entry);
  const shown = entry.words.slice(0, sentenceEnd(entry.words, heard));
  for (const [place, { text }] of shown.entries()) {
    const tag = entry.state === "cut" && place >= heard ? "del" : "span";
    let word = line.children[place];
    if (word?.localName !== tag) {
      const made = document.createElement(tag);
      if (word) word.replaceWith(made);
      else line.append(place ? " " : "", made);
      word = made;
    }
    if (word.textContent !== text) word.textContent = text;
    word.classList.toggle("heard", place < heard);
  }
  while (line.children.length > shown.length) line.lastElementChild.remove();
}

/** Where the sentence ends that goes on at `place`: no more is shown in advance, or the reader would be led astray. */
function sentenceEnd(words, place) {
  const ends = words.findIndex(({ text }, at) => at >= place && /[.?!]["”’)]*$/.test(text));
  return ends < 0 ? words.length : ends + 1;
}

/** How many words of an answer have begun to sound. */
export function spoken(entry) {
  if (entry.who === "you") return 0;
  if (entry.state === "said") return entry.words.length;
  if (entry.state === "cut") return entry.kept;
  return entry.playedMs > 0 ? entry.words.filter(({ at }) => at !== null && at <= entry.playedMs).length : 0;
}

function took(entry) {
  const ms = voiceToVoice(entry);
  return ms === null ? "" : `${(ms / 1000).toFixed(2)} s`;
}
