/** The button that lets the user hear a voice. */

import { ClipPlayer } from "../../audio/clip-player.js";
import { fetchVoiceSample } from "../../call/server.js";

/**
 * @typedef {object} SampleRequest
 * @property {string} voice
 * @property {string} key the API key; "" if there is none
 * @property {{volume: number, speakerId: string}} output
 */

export class VoiceSample {
  #button;
  #request;
  #player = new ClipPlayer();

  /**
   * @param {HTMLButtonElement} button
   * @param {() => SampleRequest} request what to play, asked when the button is pressed
   */
  constructor(button, request) {
    this.#button = button;
    this.#request = request;
    button.onclick = () => this.#play();
  }

  stop() {
    this.#player.stop();
  }

  async #play() {
    if (this.#button.ariaBusy === "true") return this.stop();
    const { voice, key, output } = this.#request();
    this.#button.ariaBusy = "true";
    this.#button.textContent = "Stop";
    const sample = await fetchVoiceSample(voice, key);
    if (sample) await this.#player.play(sample, output);
    this.#button.ariaBusy = "false";
    this.#button.textContent = sample ? "Listen" : "Not available";
  }
}
