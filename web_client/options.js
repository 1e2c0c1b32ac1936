// What the person has chosen. It outlives the page in the browser's own storage; the API key only lives as long as the tab.

const STORED = "antiphon";
const KEY = "antiphon-key";

export class Options {
  endpoint = new URL("v1/realtime", document.baseURI);
  /** Empty stands for: whatever there is, or what the server has. */
  chosen = { deviceId: "", voice: "", instructions: "", eagerness: "auto" };

  constructor() {
    try {
      Object.assign(this.chosen, JSON.parse(localStorage.getItem(STORED)));
    } catch {
      // No storage, or somebody else's words in it: begin with the defaults.
    }
  }

  get deviceId() {
    return this.chosen.deviceId;
  }

  get key() {
    return sessionStorage.getItem(KEY) ?? "";
  }

  set key(key) {
    sessionStorage.setItem(KEY, key);
  }

  choose(chosen) {
    this.chosen = chosen;
    localStorage.setItem(STORED, JSON.stringify(chosen));
  }

  /** The server has no such voice. */
  forgetVoice() {
    this.choose({ ...this.chosen, voice: "" });
  }

  /** The session as it stands in `session.update`; null is the server's default. */
  get session() {
    const { voice, instructions, eagerness } = this.chosen;
    return {
      type: "realtime",
      instructions: instructions || null,
      audio: {
        input: { transcription: { model: "antiphon" }, turn_detection: { type: "semantic_vad", eagerness } },
        output: { voice: voice || null },
      },
    };
  }
}
