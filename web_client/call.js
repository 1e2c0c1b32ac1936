// A call: the sound, the connection and the session, kept together; connects again by itself. Knows no DOM.

import { Session } from "./session.js";
import { Sound } from "./sound.js";
import { Trouble } from "./trouble.js";
import { WebRtcTransport } from "./webrtc.js";
import { WebSocketTransport } from "./websocket.js";

const RETRY_AFTER_S = [0.5, 1, 2, 4, 8, 15];
/** A full server is not asked every second. */
const RETRY_FULL_AFTER_S = 10;
/** Troubles that waiting doesn't mend. */
const FINAL = new Set(["expired", "key", "wrong-key", "origin", "blocked"]);

export class Call {
  /** "idle", "starting", "connecting" or "live". */
  phase = "idle";
  session = new Session();
  /** Loudness of either side, 0 to 1. */
  levels = { you: 0, agent: 0 };
  muted = false;

  /** Called when anything that is shown may have changed. */
  onChange = () => {};
  /** Called with a `Trouble`, and with null when it is over. */
  onTrouble = () => {};
  /** Called with an error event of the server that no one else takes care of. */
  onRefusal = () => {};

  #options;
  #sound = null;
  #transport = null;
  #retries = 0;
  #timer = null;
  #isBlocked = false; // WebRTC doesn't get through

  /**
   * @param options `{endpoint, key, connection, deviceId, speakerId, session}`, the last as in session.update;
   * read when they are needed
   */
  constructor(options) {
    this.#options = options;
  }

  get deviceId() {
    return this.#sound?.deviceId;
  }

  /** What the call goes over, "webrtc" or "websocket"; null: there is none. */
  get transport() {
    return this.#transport?.name ?? null;
  }

  /** Open the microphone and connect. To be called by a press of a button: browsers want one before they play sound. */
  async start() {
    if (this.phase !== "idle") return;
    this.#isBlocked = false;
    this.#retries = 0;
    this.#enter("starting");
    this.onTrouble(null);
    try {
      const sound = await Sound.open(this.#options.deviceId, this.#options.speakerId);
      if (this.phase !== "starting") {
        sound.close();
        return;
      }
      this.#use(sound);
    } catch (trouble) {
      this.#enter("idle");
      this.onTrouble(trouble);
      return;
    }
    this.#connect();
  }

  /** Hang up. What was said stays; the next start goes on from there. */
  end() {
    clearTimeout(this.#timer);
    this.#transport?.close();
    this.#perform(this.session.disconnect());
    this.#sound?.close();
    this.#transport = this.#sound = null;
    this.levels = { you: 0, agent: 0 };
    this.#enter("idle");
  }

  /** Begin anew, with an agent that remembers nothing. */
  renew() {
    this.#sound?.stop();
    this.session = new Session();
    if (this.#sound) this.#connect();
    this.onChange();
  }

  /** Connect anew, in the way that the options say by now; what was said is remembered. */
  reconnect() {
    this.#isBlocked = false;
    if (!this.#sound) return;
    this.#perform(this.session.disconnect());
    this.#connect();
  }

  interrupt() {
    this.#perform(this.session.interrupt());
    this.onChange();
  }

  /** Say something in writing. */
  write(text) {
    this.#perform(this.session.write(text, performance.now()));
    this.onChange();
  }

  mute(muted) {
    this.muted = muted;
    if (this.#sound) this.#sound.muted = muted;
    this.onChange();
  }

  /** Tell the server of the session's options, which have changed. */
  update() {
    this.#transport?.sendEvent({ type: "session.update", session: this.#options.session });
  }

  /** Change the microphone. Raises `Trouble`. */
  async choose(deviceId) {
    await this.#sound?.choose(deviceId);
    if (this.#transport?.byTrack) await this.#transport.use(this.#sound.track);
  }

  /** Change the loudspeaker. */
  async speakThrough(speakerId) {
    await this.#sound?.speakThrough(speakerId);
  }

  resume() {
    return this.#sound?.resume();
  }

  #use(sound) {
    this.#sound = sound;
    sound.muted = this.muted;
    sound.onBlock = (pcm, level) => {
      this.levels.you = level;
      if (this.phase === "live" && !this.#transport.byTrack) this.#transport.sendAudio(pcm);
    };
    sound.onPlayback = (report) => {
      this.levels.agent = report.level ?? this.levels.agent;
      this.#perform(this.session.played(report));
      this.onChange();
    };
    sound.onHeard = ({ type, level, at }) => {
      if (type === "sound") this.session.heard(at);
      else this.levels.agent = level;
      this.session.tick(performance.now());
      this.onChange();
    };
    sound.onLost = () => {
      this.end();
      this.onTrouble(new Trouble("lost-microphone"));
    };
    sound.onPaused = (paused) => this.onTrouble(paused ? new Trouble("paused") : null);
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#transport?.close();
    this.#silence();
    this.#enter("connecting");
    const transport = this.#choose();
    transport.onEvent = (event) => this.#receive(event);
    transport.onAudio = ({ item, durationMs, pcm }) => {
      const wanted = this.session.audio(item, durationMs, performance.now());
      if (wanted && pcm) this.#sound.play(item, pcm);
    };
    transport.onStream = (stream) => this.#sound.listen(stream);
    transport.onClose = (trouble) => this.#lost(trouble);
    this.#transport = transport;
    this.session.byTrack = transport.byTrack;
    transport.open();
  }

  #choose() {
    const { connection, endpoint, key } = this.#options;
    const wanted = connection === "automatic" ? (this.#isBlocked ? "websocket" : "webrtc") : connection;
    return wanted === "websocket"
      ? new WebSocketTransport(endpoint, key)
      : new WebRtcTransport(endpoint, key, this.#sound.track);
  }

  #receive(event) {
    if (event.type === "session.created") {
      this.#retries = 0;
      this.update();
      for (const memory of this.session.memories()) this.#transport.sendEvent(memory);
      this.#enter("live");
      this.onTrouble(null);
    }
    if (event.type === "response.created") this.onTrouble(null);
    if (event.type === "error" && !Session.isHarmless(event.error)) this.onRefusal(event.error);
    if (event.type === "response.done" && event.response.status === "failed") {
      this.onTrouble(new Trouble("answer", event.response.status_details?.error));
    }
    this.#perform(this.session.receive(event, performance.now()));
    this.onChange();
  }

  #perform(effects) {
    for (const effect of effects) {
      if (effect.send) this.#transport?.sendEvent(effect.send);
      if (effect.end) this.#sound?.end(effect.end);
      if (effect.follow) this.#sound?.follow(effect.follow);
      if (effect.stop) this.#sound?.stop();
    }
  }

  #lost(trouble) {
    this.#transport = null;
    this.#perform(this.session.disconnect());
    this.#silence();
    if (trouble.kind === "blocked" && this.#options.connection === "automatic") {
      this.#isBlocked = true;
      this.#connect();
      return;
    }
    this.onTrouble(trouble);
    if (FINAL.has(trouble.kind)) {
      this.end();
      return;
    }
    this.#enter("connecting");
    const usual = RETRY_AFTER_S[Math.min(this.#retries++, RETRY_AFTER_S.length - 1)];
    const after = trouble.kind === "full" ? RETRY_FULL_AFTER_S : usual;
    // Not all pages at once when a server comes back.
    this.#timer = setTimeout(() => this.#connect(), after * 1000 * (1 + Math.random() / 4));
  }

  /** Nothing of a connection that is over goes on to sound, or keeps the next one quiet. */
  #silence() {
    this.#sound.listen(null);
    this.#sound.follow("full");
    this.levels.agent = 0;
  }

  #enter(phase) {
    this.phase = phase;
    this.onChange();
  }
}
