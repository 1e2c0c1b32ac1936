// The Realtime protocol over WebRTC: sound goes both ways by track, events over a data channel.

import { askServer, authorization } from "./server.js";
import { Trouble } from "./trouble.js";

/** Where UDP is blocked nothing ever answers: so long is that waited for. */
const CONNECTS_WITHIN_MS = 3000;
/** Where addresses were found that reach each other, the handshake takes this long on a slow machine. */
const OPENS_WITHIN_MS = 5000;
/** A connection that stalls may recover, as when a phone changes its network. */
const RECOVERS_WITHIN_MS = 2000;
/** Relay servers that don't answer are not waited for. */
const GATHERS_WITHIN_MS = 1000;
/** What a proxy says whose server is down. Anything else comes from a server that is there, but can't do this. */
const DOWN = new Set([502, 503, 504]);

export class WebRtcTransport {
  name = "webrtc";
  byTrack = true;

  /** As of a WebSocket; it is "blocked" where only this kind of connection can't be made. */
  onClose = () => {};
  onAudio = () => {};
  /** Called with the stream of the server's sound. */
  onStream = () => {};
  onEvent = () => {};

  #endpoint;
  #key;
  #track;
  #connection = null;
  #sender = null;
  #channel = null;
  #address = null; // of the call
  #trouble = null;
  #timer = null;
  #wasOpen = false; // the channel, once
  #isClosed = false;

  /** @param {URL} endpoint as for a WebSocket @param {string} key empty: none @param {MediaStreamTrack} track of the microphone */
  constructor(endpoint, key, track) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.#track = track;
  }

  async open() {
    try {
      await this.#connect();
    } catch (error) {
      // Whatever a browser has against it: it may lack WebRTC altogether.
      this.#lose(error instanceof Trouble ? error : new Trouble("blocked", error));
    }
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    if (!this.#wasOpen) this.#withdraw();
    this.#connection?.close();
  }

  sendEvent(event) {
    if (this.#channel?.readyState === "open") this.#channel.send(JSON.stringify(event));
  }

  /** @param {MediaStreamTrack} track of the microphone, which is another now */
  async use(track) {
    this.#track = track;
    await this.#sender?.replaceTrack(track);
  }

  async #connect() {
    const server = await askServer(this.#key);
    if (!server) throw new Trouble("gone");
    if (this.#isClosed) return;
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
    this.#channel.onclose = () => this.#lose(this.#trouble ?? this.#loss());
    await connection.setLocalDescription();
    await gathered(connection);
    const answer = await this.#call(connection.localDescription.sdp);
    if (this.#isClosed) return this.#withdraw();
    this.#loseAfter(CONNECTS_WITHIN_MS);
    await connection.setRemoteDescription({ type: "answer", sdp: answer });
  }

  /** Offer the call to the server. Returns its answer. */
  async #call(sdp) {
    const address = new URL(this.#endpoint);
    address.pathname += "/calls";
    const headers = { "Content-Type": "application/sdp", ...authorization(this.#key) };
    let response;
    try {
      response = await fetch(address, { method: "POST", headers, body: sdp });
    } catch {
      throw new Trouble("gone");
    }
    if (response.ok) {
      this.#address = new URL(response.headers.get("Location"), address);
      return response.text();
    }
    const { error } = await response.json().catch(() => ({}));
    const trouble = Trouble.ofError(error) ?? Trouble.ofStatus(response.status, this.#key);
    throw trouble.kind === "gone" && !DOWN.has(response.status) ? new Trouble("blocked", error) : trouble;
  }

  /** A call that never was connected would count as one until the server gives it up. */
  #withdraw() {
    if (!this.#address) return;
    this.#address.pathname += "/hangup";
    fetch(this.#address, { method: "POST", headers: authorization(this.#key), keepalive: true }).catch(() => {});
  }

  #watch(state) {
    if (state === "failed") this.#lose(this.#loss());
    const isConnected = state === "connected" || state === "completed";
    if (!this.#wasOpen) {
      // ICE may get through where DTLS doesn't.
      if (isConnected) this.#loseAfter(OPENS_WITHIN_MS);
    } else if (isConnected) clearTimeout(this.#timer);
    else if (state === "disconnected") this.#loseAfter(RECOVERS_WITHIN_MS);
  }

  #loss() {
    return new Trouble(this.#wasOpen ? "gone" : "blocked");
  }

  #receive(event) {
    if (this.#isClosed) return;
    if (event.type === "antiphon.output_audio") {
      this.onAudio({ item: event.item_id, durationMs: event.duration_ms, pcm: null });
      return;
    }
    const trouble = Trouble.ofError(event.error);
    if (trouble) this.#trouble = trouble;
    else this.onEvent(event);
  }

  #loseAfter(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lose(this.#loss()), ms);
  }

  #lose(trouble) {
    if (this.#isClosed) return;
    this.close();
    this.onClose(trouble);
  }
}

/** Resolves when all the addresses are known under which this browser may be reached; they all go into the offer. */
function gathered(connection) {
  return new Promise((resolve) => {
    const check = () => connection.iceGatheringState === "complete" && resolve();
    connection.addEventListener("icegatheringstatechange", check);
    setTimeout(resolve, GATHERS_WITHIN_MS);
    check();
  });
}
