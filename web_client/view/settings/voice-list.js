/** The voices to choose from: each with its name, what it sounds like, and a button that lets it be heard. */

import { ClipPlayer } from "../../audio/clip-player.js";
import { fetchVoiceSample } from "../../call/server.js";
import { find } from "../dom.js";
import { nameOfVoice, soundOfVoice } from "./voice-names.js";

/** @typedef {import("../../call/server.js").ServerInfo} ServerInfo */

export class VoiceList {
  #list;
  #template;
  #note;
  #request;
  #player = new ClipPlayer();
  /** The voice that speaks unless another is chosen. */
  #usual = "";
  #chosen = "";
  /** @type {HTMLButtonElement | null} */
  #playing = null;

  /**
   * @param {HTMLElement} list
   * @param {HTMLTemplateElement} template of a row
   * @param {HTMLElement} note
   * @param {() => {key: string, output: {volume: number, speakerId: string}}} request how to ask for a sample and play it
   */
  constructor(list, template, note, request) {
    this.#list = list;
    this.#template = template;
    this.#note = note;
    this.#request = request;
    list.onchange = ({ target }) => {
      this.#chosen = /** @type {HTMLInputElement} */ (target).value;
    };
  }

  /** The voice that was chosen; "" for the server's own. */
  get chosen() {
    return this.#chosen === this.#usual ? "" : this.#chosen;
  }

  set chosen(voice) {
    this.#chosen = voice || this.#usual;
    for (const radio of this.#list.querySelectorAll("input")) radio.checked = radio.value === this.#chosen;
  }

  /** @param {ServerInfo} server */
  show({ models, voices, voice_details: details, absent_voices: absent }) {
    const chosen = voices.includes(this.chosen) ? this.chosen : "";
    this.#usual = models.voice;
    this.#list.replaceChildren(...voices.map((voice) => this.#row(voice, soundOfVoice(details[voice]))));
    this.chosen = chosen;
    const [remedy] = Object.values(absent);
    this.#note.textContent = remedy ? `${Object.keys(absent).length} more can be added: ${remedy}` : "";
  }

  focus() {
    this.#list.querySelector("input:checked")?.scrollIntoView({ block: "nearest" });
    /** @type {HTMLInputElement | null} */ (this.#list.querySelector("input:checked"))?.focus();
  }

  stop() {
    this.#player.stop();
  }

  /**
   * @param {string} voice
   * @param {string} sound
   */
  #row(voice, sound) {
    const row = /** @type {HTMLElement} */ (this.#template.content.firstElementChild?.cloneNode(true));
    find(row, "input", HTMLInputElement).value = voice;
    const name = find(row, "span");
    name.textContent = nameOfVoice(voice);
    name.title = voice;
    find(row, "small").textContent = sound;
    const listen = find(row, "button", HTMLButtonElement);
    markPlaying(listen, voice, false);
    listen.onclick = () => this.#listen(listen, voice);
    return row;
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {string} voice
   */
  async #listen(button, voice) {
    const again = button === this.#playing;
    this.stop();
    if (again) return;
    const { key, output } = this.#request();
    this.#playing = button;
    markPlaying(button, voice, true);
    const sample = await fetchVoiceSample(voice, key);
    if (sample && this.#playing === button) await this.#player.play(sample, output);
    if (this.#playing === button) this.#playing = null;
    markPlaying(button, voice, false);
    if (!sample) this.#note.textContent = `The server can't speak as ${nameOfVoice(voice)} right now.`;
  }
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} voice
 * @param {boolean} playing
 */
function markPlaying(button, voice, playing) {
  button.ariaPressed = String(playing);
  button.ariaLabel = `${playing ? "Stop" : "Listen to"} ${nameOfVoice(voice)}`;
}
