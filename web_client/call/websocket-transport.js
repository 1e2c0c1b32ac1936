/**
 * The Realtime protocol over a WebSocket. Every transport has this shape: `open`, `close`, `sendEvent`, and the
 * callbacks `onEvent`, `onAudio`, `onClose`. One whose audio travels with the events has `sendAudio`; one whose audio
 * has tracks of its own has `replaceTrack` and `onStream`.
 */

import { pcmFromBase64, pcmToBase64 } from "../audio/base64.js";
import { WIRE_RATE } from "../audio/pcm.js";
import { CallError } from "../errors.js";
import { authorization } from "./server.js";

/**
 * A server event, as the protocol defines it.
 * @typedef {{type: string, [field: string]: any}} ServerEvent
 */

/**
 * Audio of an answer. Without `pcm` it comes by track.
 * @typedef {{item: string, durationMs: number, pcm: Int16Array<ArrayBuffer> | null}} AnswerAudio
 */

const KEY_PROTOCOL = "openai-insecure-api-key.";
/** Microphone audio on its way to a server that reads nothing. Beyond this it is dropped: stale audio is useless. */
const MAX_BUFFERED_BYTES = 256 * 1024;

export class WebSocketTransport {
  name = "websocket";
  byTrack = false;

  /**
   * Called once when the connection ends or can't be made; not after `close`.
   * @type {(error: CallError) => void}
   */
  onClose = () => {};
  /**
   * Called in order with the events.
   * @type {(audio: AnswerAudio) => void}
   */
  onAudio = () => {};
  /**
   * Called with every other event of the server, except the error that announces the end.
   * @type {(event: ServerEvent) => void}
   */
  onEvent = () => {};

  #endpoint;
  #key;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {CallError | null} */
  #error = null;

  /**
   * @param {URL} endpoint the HTTP address of the realtime endpoint, with its query
   * @param {string} key the ephemeral key; "" if there is none
   */
  constructor(endpoint, key) {
    this.#endpoint = endpoint;
    this.#key = key;
  }

  open() {
    const address = new URL(this.#endpoint);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address, ["realtime", ...(this.#key ? [KEY_PROTOCOL + this.#key] : [])]);
    let opened = false;
    socket.onopen = () => {
      opened = true;
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = async () => {
      const error = this.#error ?? (opened ? new CallError("unreachable") : await this.#diagnose());
      if (this.#socket === socket) this.onClose(error);
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
    if (this.#socket && this.#socket.bufferedAmount <= MAX_BUFFERED_BYTES) {
      this.sendEvent({ type: "input_audio_buffer.append", audio: pcmToBase64(pcm) });
    }
  }

  /** @param {object} event */
  sendEvent(event) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(event));
  }

  /** @param {ServerEvent} event */
  #receive(event) {
    if (!this.#socket) return;
    if (event.type === "response.output_audio.delta") {
      const pcm = pcmFromBase64(event.delta);
      this.onAudio({ item: event.item_id, durationMs: (pcm.length / WIRE_RATE) * 1000, pcm });
      return;
    }
    const error = CallError.fromEvent(event.error);
    if (error) this.#error = error;
    else this.onEvent(event);
  }

  /** A browser doesn't say why a WebSocket was refused; the same address over HTTP does. */
  async #diagnose() {
    try {
      const { status } = await fetch(this.#endpoint, { headers: authorization(this.#key), cache: "no-store" });
      return CallError.fromStatus(status, this.#key);
    } catch {
      return new CallError("unreachable");
    }
  }
}
