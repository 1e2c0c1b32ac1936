// The Realtime protocol over a WebSocket. Every transport has this shape: open, close, sendEvent, and onEvent, onAudio,
// onClose to be told. Where sound comes and goes with the events there is sendAudio; where it has a track of its own,
// use and onStream.

import { WIRE_RATE, fromBase64, toBase64 } from "./pcm.js";
import { authorization } from "./server.js";
import { Trouble } from "./trouble.js";

const KEY_PROTOCOL = "openai-insecure-api-key.";
/** Sound on its way to a server that takes nothing. Beyond this it is dropped: the past is of no use to anybody. */
const MOST_WAITING_BYTES = 256 * 1024;

export class WebSocketTransport {
  name = "websocket";
  byTrack = false;

  /** Called once, with a `Trouble`, when the connection ends or can't be made; not after `close`. */
  onClose = () => {};
  /** Called with `{item, durationMs, pcm}`, in order with the events; no pcm where it comes by track. */
  onAudio = () => {};
  /** Called with every other event of the server, but for the error that announces the end. */
  onEvent = () => {};

  #endpoint;
  #key;
  #socket = null;
  #trouble = null;

  /** @param {URL} endpoint the HTTP address of the realtime endpoint, with its query @param {string} key empty: none */
  constructor(endpoint, key) {
    this.#endpoint = endpoint;
    this.#key = key;
  }

  open() {
    const address = new URL(this.#endpoint);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address, ["realtime", ...(this.#key ? [KEY_PROTOCOL + this.#key] : [])]);
    let opened = false;
    socket.onopen = () => (opened = true);
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
      const pcm = fromBase64(event.delta);
      this.onAudio({ item: event.item_id, durationMs: (pcm.length / WIRE_RATE) * 1000, pcm });
      return;
    }
    const trouble = Trouble.ofError(event.error);
    if (trouble) this.#trouble = trouble;
    else this.onEvent(event);
  }

  /** A browser doesn't say why a WebSocket was refused; the same address over HTTP does. */
  async #diagnose() {
    try {
      const { status } = await fetch(this.#endpoint, { headers: authorization(this.#key), cache: "no-store" });
      return Trouble.ofStatus(status, this.#key);
    } catch {
      return new Trouble("gone");
    }
  }
}
