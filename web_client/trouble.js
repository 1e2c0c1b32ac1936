// What can go wrong, in plain words, and what to do about it.

const WORDS = {
  insecure: [
    "The microphone can't be used on this page.",
    "Browsers allow it on encrypted pages and on this machine only. Open the page as localhost, or serve it over HTTPS.",
  ],
  refused: [
    "The microphone was not allowed.",
    "Allow it in the browser: the sign beside the page's address leads there. Then try again.",
  ],
  "no-microphone": ["There is no microphone.", "Connect one, or switch it on in the system's settings. Then try again."],
  "busy-microphone": ["The microphone can't be opened.", "Another program may be using it. Close that one, then try again."],
  "lost-microphone": ["The microphone is gone.", "It was unplugged or switched off. Connect one, then try again."],
  "other-microphone": [
    "The browser can't change to this microphone during a call.",
    "End the call, choose the microphone, and start again.",
  ],
  sound: ["The browser can't play or record sound here.", "Try again; if that doesn't help, reload the page or use another browser."],
  paused: ["The browser has paused the sound.", "Another call may be going on. Press the button to go on here."],
  gone: ["The server can't be reached.", "It may have been stopped. This page keeps trying; start it again with: antiphon serve"],
  blocked: [
    "WebRTC doesn't get through.",
    "A firewall may be in the way. Choose another connection in the settings: automatic, or WebSocket.",
  ],
  full: ["All lines are busy.", "The server holds as many conversations as it can. This page tries again by itself."],
  expired: ["The conversation reached the server's time limit.", "Start again: what was said so far is remembered."],
  key: ["This server asks for an API key.", "Whoever runs it set it as server.api_key."],
  "wrong-key": ["The server doesn't accept this API key.", "Check it, and enter it once more."],
  origin: ["The server doesn't talk to this page.", "Open the page from the server itself, or list this address in server.allowed_origins."],
  refusal: ["The server didn't take that.", ""],
  answer: ["An answer failed.", "Ask again. If it keeps failing, the server's log says why."],
};

const KIND_OF_CODE = { session_limit_reached: "full", session_expired: "expired" };
const KIND_OF_STATUS = { 401: "wrong-key", 403: "origin" };

export class Trouble extends Error {
  /** @param {string} kind one of the above @param {unknown} cause what the browser or the server said */
  constructor(kind, cause = null) {
    super(WORDS[kind][0], { cause });
    this.kind = kind;
    this.advice = WORDS[kind][1];
  }

  /** Of an error of the server that ends a call; null: this one doesn't. */
  static ofError(error) {
    return error?.code in KIND_OF_CODE ? new Trouble(KIND_OF_CODE[error.code], error) : null;
  }

  /** Of a refusal by HTTP. */
  static ofStatus(status, key) {
    return new Trouble(status === 401 && !key ? "key" : (KIND_OF_STATUS[status] ?? "gone"));
  }

  /** The technical side of it, for those who want to know; empty where there is none. */
  get detail() {
    return this.cause ? (this.cause.message ?? String(this.cause)) : "";
  }
}
