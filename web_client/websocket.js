// The Realtime protocol over a WebSocket. Every transport has this shape: open, close, sendAudio, sendEvent, and
// onOpen, onClose, onAudio, onEvent to be told.

import { fromBase64, toBase64 } from "./pcm.js";
import { Trouble } from "./trouble.js";

const KEY_PROTOCOL = "openai-insecure-api-key.";
/** Sound on its way to a server that takes nothing. Beyond this it is dropped: the past is of no use to anybody. */
const MOST_WAITING_BYTES = 256 * 1024;

const TROUBLE_OF_CODE = { session_limit_reached: "full", session_expired: "expired" };
const TROUBLE_OF_STATUS = { 401: "wrong-key", 403: "origin" };

export class WebSocketTransport {
  onOpen = () => {};
  /** Called once, with a `Trouble`, when the connection ends or can't be made; not after `close`. */
  onClose = () => {};
  /** Called with `{item, pcm}`, in order with the events. */
  onAudio = () => {};
  /** Called with every other event of the server, but for the error that announces the end. */
  onEvent = () => {};

  #endpoint;
  #key;
  #socket = null;
  #trouble = null;

  /** @param {URL} endpoint the HTTP address of the realtime endpoint @param {string} key empty: none */
  constructor(endpoint, key) {
    this.#endpoint = endpoint;
    this.#key = key;
  }

  open() {
    const address = new URL(this.#endpoint);
    address.protocol = address.protocol.replace("http", "ws");
    address.searchParams.set("model", "antiphon");
    address.searchParams.set("timeline", "1");
    const socket = new WebSocket(address, ["realtime", ...(this.#key ? [KEY_PROTOCOL + this.#key] : [])]);
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.onOpen();
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = async () => {
      const trouble = this.#trouble ?? (opened ? new Trouble("gone") : await this.#diagnose());
      if (this.#socket === socket) this.onClose(trouble);
    };
    this.#socket = socket;
  }

  close() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** @param {Int16Array} pcm */
  sendAudio(pcm) {
    if (this.#socket?.bufferedAmount <= MOST_WAITING_BYTES) {
      this.sendEvent({ type: "input_audio_buffer.append", audio: toBase64(pcm) });
    }
  }

  sendEvent(event) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(event));
  }

  #receive(event) {
    if (!this.#socket) return;
    if (event.type === "response.output_audio.delta") {
      this.onAudio({ item: event.item_id, pcm: fromBase64(event.delta) });
      return;
    }
    if (event.type === "error" && event.error.code in TROUBLE_OF_CODE) {
      this.#trouble = new Trouble(TROUBLE_OF_CODE[event.error.code], event.error);
      return;
    }
    this.onEvent(event);
  }

  /** A browser doesn't say why a WebSocket was refused; the same address over HTTP does. */
  async #diagnose() {
    try {
      const headers = this.#key ? { Authorization: `Bearer ${this.#key}` } : {};
      const { status } = await fetch(this.#endpoint, { headers, cache: "no-store" });
      if (status === 401 && !this.#key) return new Trouble("key");
      return new Trouble(TROUBLE_OF_STATUS[status] ?? "gone");
    } catch {
      return new Trouble("gone");
    }
  }
}
