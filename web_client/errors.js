/** Everything that can go wrong in a call, in plain words, with what to do about it. */

/** @type {Record<string, [message: string, advice: string]>} */
const TEXTS = {
  insecure: [
    "The microphone can't be used on this page.",
    "Browsers allow it only over HTTPS and on this machine. Open the page as localhost, or serve it over HTTPS.",
  ],
  "microphone-denied": [
    "The microphone is blocked.",
    "Allow it with the icon next to the page's address, then try again. You can also type.",
  ],
  "no-microphone": [
    "No microphone was found.",
    "Connect one or enable it in the system settings, then try again. You can also type.",
  ],
  "microphone-busy": [
    "The microphone can't be opened.",
    "Another program may be using it. Close that program, then try again.",
  ],
  "microphone-lost": ["The microphone was disconnected.", "Plug it in again or choose another one, then try again."],
  "microphone-locked": [
    "This browser can't switch to that microphone during a call.",
    "Hang up, choose the microphone, then start again.",
  ],
  audio: [
    "This browser can't play or record audio here.",
    "Try again. If that doesn't help, reload the page or use another browser.",
  ],
  "audio-paused": ["The browser paused the audio.", "Another call may be in progress."],
  unreachable: [
    "The server can't be reached.",
    "It may have been stopped. This page keeps trying; to start the server again, run: antiphon serve",
  ],
  "server-down": ["The server can't be reached.", "It may have been stopped. Start it with: antiphon serve"],
  "webrtc-blocked": [
    "WebRTC can't connect.",
    "A firewall may block it. In the settings, change the connection to automatic or WebSocket.",
  ],
  full: ["The server is full.", "It already holds as many conversations as it can. This page keeps trying."],
  restarting: ["The server is restarting.", "This page reconnects by itself."],
  expired: ["The conversation reached the server's time limit.", "Start again: the agent remembers what was said."],
  "key-needed": ["This server needs an API key.", "Whoever runs the server can make one: antiphon keys add NAME"],
  "key-wrong": ["The server rejected this API key.", "Check it and enter it again."],
  "key-expired": ["You are no longer signed in.", "Enter the API key again to continue."],
  origin: [
    "The server doesn't accept calls from this page.",
    "Open the page from the server itself, or add this address to server.allowed_origins.",
  ],
  rejected: ["The server rejected a request.", ""],
  "answer-failed": ["The answer failed.", "Ask again. If it keeps failing, see the server's log."],
};

/** @type {Record<string, string>} */
const KIND_OF_CODE = {
  session_limit_reached: "full",
  session_expired: "expired",
  server_restarting: "restarting",
};
/** @type {Record<number, string>} */
const KIND_OF_STATUS = { 401: "key-expired", 403: "origin" };

/** An error that the page shows: `message` says what happened, `advice` what to do. */
export class CallError extends Error {
  /**
   * @param {string} kind a key of `TEXTS`
   * @param {unknown} [cause] what the browser or the server reported
   */
  constructor(kind, cause = null) {
    super(TEXTS[kind][0], { cause });
    this.kind = kind;
    this.advice = TEXTS[kind][1];
  }

  /**
   * The error for a server's `error` event that ends the call; null if the call goes on.
   * @param {{code?: string}} [error]
   */
  static fromEvent(error) {
    const kind = KIND_OF_CODE[error?.code ?? ""];
    return kind ? new CallError(kind, error) : null;
  }

  /**
   * The error for an HTTP status that refuses a connection.
   * @param {number} status
   * @param {string} key the ephemeral key that was sent; "" if none was
   */
  static fromStatus(status, key) {
    return new CallError(status === 401 && !key ? "key-needed" : (KIND_OF_STATUS[status] ?? "unreachable"));
  }

  /** The technical reason, for readers who want it; "" if there is none. */
  get detail() {
    if (!this.cause) return "";
    return /** @type {{message?: string}} */ (this.cause).message ?? String(this.cause);
  }
}
