// What the person has chosen. It outlives the page in the browser's own storage; the API key only lives as long as the tab.

const STORED = "antiphon";
const KEY = "antiphon-key";

export class Options {
  endpoint = new URL("v1/realtime?model=antiphon&timeline=1&playback=1&thoughts=1", document.baseURI);
  /** Empty stands for: whatever there is, or what the server has. `connection`: "automatic", "webrtc" or "websocket". */
  chosen = { deviceId: "", speakerId: "", voice: "", instructions: "", eagerness: "auto", connection: "automatic" };

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

  get speakerId() {
    return this.chosen.speakerId;
  }

  get connection() {
    return this.chosen.connection;
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
