/** What the user chose. Preferences are stored in the browser; the ephemeral key lives only as long as the tab. */

import { TOOL_DEFINITIONS } from "./call/tools.js";

const STORAGE_NAME = "antiphon";
const KEY_STORAGE_NAME = "antiphon-key";

/**
 * Choices of the user. An empty string means the default of the system or of the server.
 * @typedef {object} Choices
 * @property {string} deviceId the microphone
 * @property {string} speakerId the loudspeaker
 * @property {string} voice
 * @property {string} instructions
 * @property {"low" | "auto" | "high"} eagerness how soon the agent answers after a pause
 * @property {"automatic" | "webrtc" | "websocket"} connection
 * @property {number} volume of the output, 0 to 1
 * @property {number} speed of speech; 1 is the voice's own
 * @property {boolean} tools whether the agent may use the page's tools
 * @property {boolean} shortcuts whether single keys are shortcuts
 */

/** @type {Choices} */
const DEFAULTS = {
  deviceId: "",
  speakerId: "",
  voice: "",
  instructions: "",
  eagerness: "auto",
  connection: "automatic",
  volume: 1,
  speed: 1,
  tools: false,
  shortcuts: true,
};

export class Preferences {
  endpoint = new URL("v1/realtime?model=antiphon&timeline=1&playback=1&thoughts=1", document.baseURI);
  /** @type {Choices} */
  chosen = { ...DEFAULTS };

  constructor() {
    this.#takeKeyFromAddress();
    try {
      Object.assign(this.chosen, JSON.parse(localStorage.getItem(STORAGE_NAME) ?? "{}"));
    } catch {
      // Storage is forbidden, or another page on this origin uses the same name: keep the defaults.
    }
  }

  /** A link from the server's terminal signs the page in. The address must not keep the key. */
  #takeKeyFromAddress() {
    const key = location.hash.slice(1);
    if (!key.startsWith("ek_")) return;
    this.key = key;
    history.replaceState(null, "", location.pathname + location.search);
  }

  /** Microphone and loudspeaker, as `AudioIO.open` takes them. */
  get devices() {
    return this.chosen;
  }

  get connection() {
    return this.chosen.connection;
  }

  /** The ephemeral key; "" if there is none. */
  get key() {
    return sessionStorage.getItem(KEY_STORAGE_NAME) ?? "";
  }

  set key(key) {
    sessionStorage.setItem(KEY_STORAGE_NAME, key);
  }

  /** @param {Partial<Choices>} changes */
  choose(changes) {
    this.chosen = { ...this.chosen, ...changes };
    localStorage.setItem(STORAGE_NAME, JSON.stringify(this.chosen));
  }

  /** The session object for `session.update`; null stands for the server's default. */
  get session() {
    const { voice, instructions, eagerness, speed, tools } = this.chosen;
    return {
      type: "realtime",
      instructions: instructions || null,
      tools: tools ? TOOL_DEFINITIONS : [],
      audio: {
        input: { transcription: { model: "antiphon" }, turn_detection: { type: "semantic_vad", eagerness } },
        output: { voice: voice || null, ...(speed === 1 ? {} : { speed }) },
      },
    };
  }
}
