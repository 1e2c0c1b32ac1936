/** The Realtime protocol over WebRTC: audio goes both ways by track, events over a data channel. */

import { CallError } from "../errors.js";
import { authorization, fetchServerInfo } from "./server.js";

/** @typedef {import("./websocket-transport.js").ServerEvent} ServerEvent */
/** @typedef {import("./websocket-transport.js").AnswerAudio} AnswerAudio */

/** Time for ICE to connect. Where UDP is blocked nothing ever answers. */
const CONNECT_TIMEOUT_MS = 3000;
/** Time for the DTLS handshake after ICE has connected, on a slow machine. */
const OPEN_TIMEOUT_MS = 5000;
/** A stalled connection may recover within this, as when a phone changes its network. */
const RECOVERY_TIMEOUT_MS = 2000;
/** Time for gathering candidates; relay servers that don't answer are given up. */
const GATHERING_TIMEOUT_MS = 1000;
/** Statuses of a proxy whose server is down. Any other comes from a server that runs but can't do WebRTC. */
const DOWN = new Set([502, 503, 504]);

export class WebRtcTransport {
  name = "webrtc";
  byTrack = true;

  /**
   * As of `WebSocketTransport`; the kind is "webrtc-blocked" where only WebRTC fails.
   * @type {(error: CallError) => void}
   */
  onClose = () => {};
  /** @type {(audio: AnswerAudio) => void} */
  onAudio = () => {};
  /**
   * Called with the stream of the agent's audio.
   * @type {(stream: MediaStream) => void}
   */
  onStream = () => {};
  /** @type {(event: ServerEvent) => void} */
  onEvent = () => {};

  #endpoint;
  #key;
  #track;
  /** @type {RTCPeerConnection | null} */
  #connection = null;
  /** @type {RTCRtpSender | null} */
  #sender = null;
  /** @type {RTCDataChannel | null} */
  #channel = null;
  /** @type {URL | null} */
  #callUrl = null;
  /** @type {CallError | null} */
  #error = null;
  /** @type {number | undefined} */
  #timer;
  #wasOpen = false;
  #closed = false;

  /**
   * @param {URL} endpoint as for `WebSocketTransport`
   * @param {string} key the ephemeral key; "" if there is none
   * @param {MediaStreamTrack} track of the microphone
   */
  constructor(endpoint, key, track) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.#track = track;
  }

  async open() {
    try {
      await this.#connect();
    } catch (error) {
      // Browsers fail in many ways here; one may lack WebRTC altogether.
      this.#lose(error instanceof CallError ? error : new CallError("webrtc-blocked", error));
    }
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (!this.#wasOpen) this.#hangUp();
    this.#connection?.close();
  }

  /** @param {object} event */
  sendEvent(event) {
    if (this.#channel?.readyState === "open") this.#channel.send(JSON.stringify(event));
  }

  /** @param {MediaStreamTrack} track of another microphone */
  async replaceTrack(track) {
    this.#track = track;
    await this.#sender?.replaceTrack(track);
  }

  async #connect() {
    const server = await fetchServerInfo(this.#key);
    if (!server) throw new CallError("unreachable");
    if (this.#closed) return;
    const connection = new RTCPeerConnection({ iceServers: server.ice_servers });
    this.#connection = connection;
    connection.ontrack = ({ track }) => this.onStream(new MediaStream([track]));
    connection.oniceconnectionstatechange = () => this.#watch(connection.iceConnectionState);
    this.#sender = connection.addTrack(this.#track);
    this.#channel = connection.createDataChannel("oai-events");
    this.#channel.onopen = () => {
      clearTimeout(this.#timer);
      this.#wasOpen = true;
    };
    this.#channel.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    this.#channel.onclose = () => this.#lose(this.#error ?? this.#failure());
    await connection.setLocalDescription();
    await gatheringDone(connection);
    const answer = await this.#offer(connection.localDescription?.sdp ?? "");
    if (this.#closed) return this.#hangUp();
    this.#loseAfter(CONNECT_TIMEOUT_MS);
    await connection.setRemoteDescription({ type: "answer", sdp: answer });
  }

  /**
   * Offer the call to the server. Returns its answer, in SDP.
   * @param {string} sdp
   */
  async #offer(sdp) {
    const url = new URL(this.#endpoint);
    url.pathname += "/calls";
    const headers = { "Content-Type": "application/sdp", ...authorization(this.#key) };
    let response;
    try {
      response = await fetch(url, { method: "POST", headers, body: sdp });
    } catch {
      throw new CallError("unreachable");
    }
    if (response.ok) {
      this.#callUrl = new URL(response.headers.get("Location") ?? "", url);
      return response.text();
    }
    const { error } = await response.json().catch(() => ({}));
    const refusal = CallError.fromEvent(error) ?? CallError.fromStatus(response.status, this.#key);
    const isDown = refusal.kind !== "unreachable" || DOWN.has(response.status);
    throw isDown ? refusal : new CallError("webrtc-blocked", error);
  }

  /** Release a call that never connected; the server would count it until it times out. */
  #hangUp() {
    if (!this.#callUrl) return;
    this.#callUrl.pathname += "/hangup";
    fetch(this.#callUrl, { method: "POST", headers: authorization(this.#key), keepalive: true }).catch(() => {});
  }

  /** @param {RTCIceConnectionState} state */
  #watch(state) {
    if (state === "failed") this.#lose(this.#failure());
    const isConnected = state === "connected" || state === "completed";
    if (!this.#wasOpen) {
      // ICE may get through where DTLS doesn't.
      if (isConnected) this.#loseAfter(OPEN_TIMEOUT_MS);
    } else if (isConnected) clearTimeout(this.#timer);
    else if (state === "disconnected") this.#loseAfter(RECOVERY_TIMEOUT_MS);
  }

  #failure() {
    return new CallError(this.#wasOpen ? "unreachable" : "webrtc-blocked");
  }

  /** @param {ServerEvent} event */
  #receive(event) {
    if (this.#closed) return;
    if (event.type === "antiphon.output_audio") {
      this.onAudio({ item: event.item_id, durationMs: event.duration_ms, pcm: null });
      return;
    }
    const error = CallError.fromEvent(event.error);
    if (error) this.#error = error;
    else this.onEvent(event);
  }

  /** @param {number} ms */
  #loseAfter(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lose(this.#failure()), ms);
  }

  /** @param {CallError} error */
  #lose(error) {
    if (this.#closed) return;
    this.close();
    this.onClose(error);
  }
}

/**
 * Resolves when the browser has gathered its candidates, all of which go into the offer.
 * @param {RTCPeerConnection} connection
 */
function gatheringDone(connection) {
  return new Promise((/** @type {(done?: undefined) => void} */ resolve) => {
    const check = () => connection.iceGatheringState === "complete" && resolve();
    connection.addEventListener("icegatheringstatechange", check);
    setTimeout(resolve, GATHERING_TIMEOUT_MS);
    check();
  });
}
