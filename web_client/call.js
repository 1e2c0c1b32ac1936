// A call: the sound, the connection and the session, kept together; connects again by itself. Knows no DOM.

import { WIRE_RATE } from "./pcm.js";
import { Session } from "./session.js";
import { Sound } from "./sound.js";
import { Trouble } from "./trouble.js";
import { WebSocketTransport } from "./websocket.js";

const RETRY_AFTER_S = [0.5, 1, 2, 4, 8, 15];
/** A full server is not asked every second. */
const RETRY_FULL_AFTER_S = 10;
/** Troubles that waiting doesn't mend. */
const FINAL = new Set(["expired", "key", "wrong-key", "origin"]);

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

  /** @param options `{endpoint, key, deviceId, session}`, the last as in session.update; read when they are needed */
  constructor(options) {
    this.#options = options;
  }

  get deviceId() {
    return this.#sound?.deviceId;
  }

  /** Open the microphone and connect. To be called by a press of a button: browsers want one before they play sound. */
  async start() {
    if (this.phase !== "idle") return;
    this.#enter("starting");
    this.onTrouble(null);
    try {
      const sound = await Sound.open(this.#options.deviceId);
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

  interrupt() {
    this.#perform(this.session.interrupt());
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
  }

  resume() {
    return this.#sound?.resume();
  }

  #use(sound) {
    this.#sound = sound;
    sound.muted = this.muted;
    sound.onBlock = (pcm, level) => {
      this.levels.you = level;
      if (this.phase === "live") this.#transport.sendAudio(pcm);
    };
    sound.onPlayback = (report) => {
      this.levels.agent = report.level ?? this.levels.agent;
      this.#perform(this.session.played(report));
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
    this.#enter("connecting");
    const transport = new WebSocketTransport(this.#options.endpoint, this.#options.key);
    transport.onEvent = (event) => this.#receive(event);
    transport.onAudio = ({ item, pcm }) => {
      if (this.session.audio(item, (pcm.length / WIRE_RATE) * 1000, performance.now())) this.#sound.play(item, pcm);
    };
    transport.onClose = (trouble) => this.#lost(trouble);
    this.#transport = transport;
    transport.open();
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
      if (effect.stop) this.#sound?.stop();
    }
  }

  #lost(trouble) {
    this.#transport = null;
    this.#perform(this.session.disconnect());
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

  #enter(phase) {
    this.phase = phase;
    this.onChange();
  }
}
