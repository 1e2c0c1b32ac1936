/** A call: audio, connection and session. It reconnects by itself, and knows no DOM. */

import { AudioIO } from "../audio/audio-io.js";
import { ClipPlayer } from "../audio/clip-player.js";
import { CallError } from "../errors.js";
import { Recordings } from "./recordings.js";
import { Session } from "./session.js";
import { WebRtcTransport } from "./webrtc-transport.js";
import { WebSocketTransport } from "./websocket-transport.js";

/**
 * What a call needs to know, read whenever it is needed.
 * @typedef {object} CallOptions
 * @property {URL} endpoint
 * @property {string} key the ephemeral key; "" if there is none
 * @property {"automatic" | "webrtc" | "websocket"} connection
 * @property {import("../audio/audio-io.js").Devices} devices
 * @property {object} session as in `session.update`
 */

/** Delays between attempts to reconnect. */
const RETRY_AFTER_S = [0.5, 1, 2, 4, 8, 15];
/** Delay while the server is full. */
const RETRY_FULL_AFTER_S = 10;
/** Errors that waiting doesn't fix. */
const FINAL = new Set(["expired", "key-needed", "key-expired", "origin", "webrtc-blocked"]);

export class Call {
  /** @type {"idle" | "starting" | "connecting" | "live"} */
  phase = "idle";
  session = new Session();
  /** Level of either side, 0 to 1. */
  levels = { user: 0, agent: 0 };
  muted = false;
  recordings = new Recordings();
  /**
   * The entry whose recording is playing.
   * @type {import("./entries.js").Entry | null}
   */
  replaying = null;

  /** Called when anything that the page shows may have changed. */
  onChange = () => {};
  /**
   * Called with an error, and with null when it is resolved.
   * @type {(error: CallError | null) => void}
   */
  onError = () => {};
  /**
   * Called with an `error` event of the server that the call doesn't handle itself.
   * @type {(error: {code?: string, param?: string, message?: string}) => void}
   */
  onRejection = () => {};

  #options;
  /** @type {AudioIO | null} */
  #audio = null;
  /** @type {WebSocketTransport | WebRtcTransport | null} */
  #transport = null;
  #retries = 0;
  /** @type {number | undefined} */
  #timer;
  #webRtcBlocked = false;
  #withMicrophone = true;
  #player = new ClipPlayer();
  /** @type {string[]} */
  #unsent = []; // typed before the connection is live
  #entered = 0; // how many phases have been entered
  #token = ""; // by which the next connection resumes the session; "" before the first

  /** @param {CallOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** The connection's transport, "webrtc" or "websocket"; null while there is none. */
  get transport() {
    return this.#transport?.name ?? null;
  }

  /** Whether the user can speak; false before a call, and in one without a microphone. */
  get hasMicrophone() {
    return this.#audio?.hasMicrophone ?? false;
  }

  /**
   * Open the microphone and connect. Browsers play audio only if this is called from a click or key press.
   * @param {boolean} withMicrophone false to only listen and type
   */
  async start(withMicrophone = true) {
    if (this.phase !== "idle") return;
    this.#withMicrophone = withMicrophone;
    this.#webRtcBlocked = false;
    this.#retries = 0;
    this.onError(null);
    const attempt = this.#enter("starting");
    try {
      const audio = await AudioIO.open(this.#options.devices, withMicrophone);
      if (attempt !== this.#entered) return audio.close(); // hung up meanwhile
      this.#use(audio);
    } catch (error) {
      if (attempt !== this.#entered) return;
      this.#enter("idle");
      this.onError(/** @type {CallError} */ (error));
      return;
    }
    this.#connect();
  }

  /** Start again as the last time, after an error. */
  retry() {
    return this.start(this.#withMicrophone);
  }

  /** Hang up. The conversation stays; the next start continues it in a new session, which may have another voice. */
  end() {
    this.#unsent = [];
    this.#token = "";
    this.#close();
  }

  #close() {
    clearTimeout(this.#timer);
    this.#transport?.close();
    this.#perform(this.session.disconnect());
    this.#audio?.close();
    this.#transport = this.#audio = null;
    this.levels = { user: 0, agent: 0 };
    this.#enter("idle");
  }

  /** Begin a new conversation; the agent forgets the one before. */
  restart() {
    this.#audio?.stop();
    this.session = new Session();
    this.recordings = new Recordings();
    this.#token = "";
    this.#connect();
    this.onChange();
  }

  /** Connect again with the current options; the conversation is kept. */
  reconnect() {
    this.#webRtcBlocked = false;
    if (!this.#audio) return;
    this.#token = "";
    this.#perform(this.session.disconnect());
    this.#connect();
  }

  interrupt() {
    this.#perform(this.session.interrupt());
    this.onChange();
  }

  /**
   * Send typed text as a turn.
   * @param {string} text
   */
  write(text) {
    if (this.phase === "live") this.#perform(this.session.write(text, performance.now()));
    else this.#unsent.push(text);
    if (this.phase === "idle") this.start(false);
    this.onChange();
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.muted = muted;
    if (this.#audio) this.#audio.muted = muted;
    this.onChange();
  }

  /** Send the session's options, which have changed. */
  update() {
    this.#transport?.sendEvent({ type: "session.update", session: this.#options.session });
  }

  /**
   * Change the microphone, or add one. Raises `CallError`.
   * @param {string} deviceId
   */
  async chooseMicrophone(deviceId) {
    if (!this.#audio) return;
    await this.#audio.chooseMicrophone(deviceId);
    if (this.#transport instanceof WebRtcTransport) await this.#transport.replaceTrack(this.#audio.track);
    this.onChange();
  }

  /** @param {string} speakerId */
  async chooseSpeaker(speakerId) {
    await this.#audio?.chooseSpeaker(speakerId);
  }

  /**
   * Play the recording of an entry, or stop it if it is playing. Meanwhile the microphone is closed: the agent must not
   * take what it picks up for a turn.
   * @param {import("./entries.js").Entry} entry
   */
  async replay(entry) {
    const clip = this.recordings.clip(entry);
    if (this.replaying === entry || !clip) return this.#player.stop();
    this.replaying = entry;
    if (this.#audio) this.#audio.muted = true;
    this.onChange();
    await this.#player.play(clip, this.#options.devices);
    if (this.replaying !== entry) return; // another one plays
    this.replaying = null;
    if (this.#audio) this.#audio.muted = this.muted;
    this.onChange();
  }

  /** @param {number} volume from 0 to 1 */
  setVolume(volume) {
    if (this.#audio) this.#audio.volume = volume;
  }

  resume() {
    return this.#audio?.resume();
  }

  /** @param {AudioIO} audio */
  #use(audio) {
    this.#audio = audio;
    audio.muted = this.muted;
    audio.onBlock = (pcm, level) => {
      this.levels.user = level;
      if (audio.hasMicrophone) this.recordings.addMicrophone(pcm);
      if (this.phase === "live" && this.#transport instanceof WebSocketTransport) this.#transport.sendAudio(pcm);
    };
    audio.onPlayback = (report) => {
      this.levels.agent = report.level ?? this.levels.agent;
      this.#perform(this.session.played(report));
      this.onChange();
    };
    audio.onStreamBlock = (pcm, level) => {
      this.levels.agent = level;
      this.recordings.addTrack(pcm);
      this.session.tick(performance.now());
      this.onChange();
    };
    audio.onOnset = ({ at }) => this.session.audible(at);
    audio.onLost = () => {
      this.end();
      this.onError(new CallError("microphone-lost"));
    };
    audio.onPaused = (paused) => this.onError(paused ? new CallError("audio-paused") : null);
  }

  #connect() {
    const audio = this.#audio;
    if (!audio) return;
    clearTimeout(this.#timer);
    this.#transport?.close();
    this.#silence();
    this.#enter("connecting");
    const transport = this.#newTransport(audio.track);
    transport.onEvent = (event) => this.#receive(event);
    transport.onAudio = ({ item, durationMs, pcm }) => {
      const wanted = this.session.audio(item, durationMs, performance.now());
      if (!wanted || !pcm) return;
      this.recordings.addAnswer(item, pcm);
      audio.play(item, pcm);
    };
    if (transport instanceof WebRtcTransport) transport.onStream = (stream) => audio.playStream(stream);
    transport.onClose = (error) => this.#lost(error);
    this.#transport = transport;
    this.recordings.connect();
    this.session.byTrack = transport.byTrack;
    transport.open();
  }

  /** @param {MediaStreamTrack} track of the microphone */
  #newTransport(track) {
    const { connection, endpoint, key } = this.#options;
    const wanted = connection === "automatic" ? (this.#webRtcBlocked ? "websocket" : "webrtc") : connection;
    const url = new URL(endpoint);
    url.searchParams.set("resume", this.#token || "1");
    return wanted === "websocket" ? new WebSocketTransport(url, key) : new WebRtcTransport(url, key, track);
  }

  /** @param {import("./websocket-transport.js").ServerEvent} event */
  #receive(event) {
    if (event.type === "session.created") {
      this.#retries = 0;
      this.update();
      const resumed = event.session.id === this.session.settings?.id;
      const known = resumed ? this.session.corrections() : this.session.history();
      for (const sent of known) this.#transport?.sendEvent(sent);
      this.#enter("live");
      this.onError(null);
      for (const text of this.#unsent.splice(0)) this.write(text);
    }
    if (event.type === "antiphon.resumption") this.#token = event.token;
    if (event.type === "response.created") this.onError(null);
    if (event.type === "error" && !Session.isHarmless(event.error)) this.onRejection(event.error);
    if (event.type === "response.done" && event.response.status === "failed") {
      this.onError(new CallError("answer-failed", event.response.status_details?.error));
    }
    this.recordings.receive(event);
    this.#perform(this.session.receive(event, performance.now()));
    this.onChange();
  }

  /** @param {import("./session.js").Effect[]} effects */
  #perform(effects) {
    for (const effect of effects) {
      if (effect.send) this.#transport?.sendEvent(effect.send);
      if (effect.end) this.#audio?.end(effect.end);
      if (effect.playback) this.#audio?.setPlayback(effect.playback, effect.resumed);
      if (effect.stop) this.#audio?.stop();
    }
  }

  /** @param {CallError} error */
  #lost(error) {
    this.#transport = null;
    this.#perform(this.session.disconnect());
    this.#silence();
    if (error.kind === "webrtc-blocked" && this.#options.connection === "automatic") {
      this.#webRtcBlocked = true;
      this.#connect();
      return;
    }
    this.onError(error);
    if (FINAL.has(error.kind)) {
      this.#close();
      return;
    }
    this.#enter("connecting");
    const usual = RETRY_AFTER_S[Math.min(this.#retries++, RETRY_AFTER_S.length - 1)];
    const after = error.kind === "full" ? RETRY_FULL_AFTER_S : usual;
    // Spread out, so that not all pages come at once when a server is back.
    this.#timer = setTimeout(() => this.#connect(), after * 1000 * (1 + Math.random() / 4));
  }

  /** Stop the output of a connection that is over, and lift its ducking. */
  #silence() {
    this.#audio?.playStream(null);
    this.#audio?.setPlayback("full");
    this.levels.agent = 0;
  }

  /** @param {typeof this.phase} phase */
  #enter(phase) {
    this.phase = phase;
    this.onChange();
    return ++this.#entered;
  }
}
