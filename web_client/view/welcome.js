/** What the page shows before a conversation: what this is, who listens, and what to ask. */

import { find } from "./dom.js";
import { nameOfVoice, soundOfVoice } from "./settings/voice-names.js";

/** @typedef {import("../call/server.js").ServerInfo} ServerInfo */

const LOCAL_HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);

export class Welcome {
  #section;

  /**
   * @param {HTMLElement} section
   * @param {(question: string) => void} ask called with an example that the user chose
   */
  constructor(section, ask) {
    this.#section = section;
    for (const example of section.querySelectorAll("#examples button")) {
      example.addEventListener("click", () => ask(example.textContent ?? ""));
    }
  }

  /** @param {ServerInfo | null} server */
  describe(server) {
    const privacy = find(this.#section, "#privacy");
    const models = find(this.#section, "#models");
    privacy.hidden = models.hidden = !server;
    if (!server) return;
    find(privacy, "span").textContent = privacyNote(server, location.hostname);
    const { encoder, decoder, voice } = server.models;
    const sound = soundOfVoice(server.voice_details[voice]);
    const speaker = sound ? `${nameOfVoice(voice)} (${sound})` : nameOfVoice(voice);
    find(models, "span").textContent = `${encoder} listens, ${decoder} answers, ${speaker} speaks.`;
  }

  /**
   * @param {boolean} visible
   * @param {boolean} live whether a call is in progress, so that one can just speak
   */
  render(visible, live) {
    this.#section.hidden = !visible;
    find(this.#section, "#how-to").hidden = live;
    find(this.#section, "#just-speak").hidden = !live;
  }
}

/**
 * Where the user's words go.
 * @param {Pick<ServerInfo, "sends_to">} server
 * @param {string} host of the page
 */
export function privacyNote({ sends_to }, host) {
  const here = LOCAL_HOSTS.has(host) ? "this computer" : host;
  if (!sends_to.length) return `Everything runs on ${here}. Nothing you say leaves it.`;
  return `Runs on ${here}, and sends what you say to ${sends_to.join(" and ")}.`;
}
