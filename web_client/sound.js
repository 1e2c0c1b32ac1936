// The browser's sound: one audio context with the microphone on one side and the loudspeaker on the other. An answer that
// comes by track is played by a media element, which the context listens to.

import { WIRE_RATE } from "./pcm.js";
import { Trouble } from "./trouble.js";

export class Sound {
  /** Called with each 20 ms of the microphone, and with its loudness. */
  onBlock = () => {};
  /** Called with the reports of what `play` plays: `began`, `progress`, `ended`, `starved`, `stopped`. */
  onPlayback = () => {};
  /** Called with those of what `listen` plays: `level`, over and over, and `sound` when it sounds after a silence. */
  onHeard = () => {};
  /** Called when the microphone is gone. */
  onLost = () => {};
  /** Called when the browser has paused the sound, and when it goes on. */
  onPaused = () => {};

  #context;
  #stream;
  #source;
  #capture;
  #playback;
  #ear;
  #element = new Audio();
  #remote = null;
  #muted = false;
  #isClosed = false;
  #speakerId = "";
  #listed = () => this.#leaveLostSpeaker();

  /** Asks for the microphone `deviceId`, or for any, and for a speaker in the same way. Raises `Trouble`. */
  static async open(deviceId, speakerId) {
    const sound = new Sound();
    sound.#stream = await microphone(deviceId);
    try {
      await sound.#build();
    } catch (error) {
      sound.close();
      throw new Trouble("sound", error);
    }
    sound.#watch();
    await sound.speakThrough(speakerId);
    return sound;
  }

  /** The microphone that is in use. */
  get deviceId() {
    return this.track.getSettings().deviceId;
  }

  /** The microphone's own track. */
  get track() {
    return this.#stream.getAudioTracks()[0];
  }

  /** @param {Int16Array} pcm at the wire's rate */
  play(item, pcm) {
    this.#playback.port.postMessage({ type: "play", item, pcm }, [pcm.buffer]);
  }

  end(item) {
    this.#playback.port.postMessage({ type: "end", item });
  }

  /** Play on "full", "ducked" or "paused". */
  follow(state) {
    this.#playback.port.postMessage({ type: "follow", state });
  }

  /** Fall silent now; what was played is reported as `stopped`. */
  stop() {
    this.#playback.port.postMessage({ type: "stop" });
  }

  /** Play a stream that comes by itself; null: none any more. */
  async listen(stream) {
    this.#remote?.disconnect();
    this.#remote = stream && this.#context.createMediaStreamSource(stream);
    this.#remote?.connect(this.#ear);
    this.#element.srcObject = stream;
    if (stream) await this.#playElement();
  }

  set muted(muted) {
    this.#muted = muted;
    this.track.enabled = !muted;
  }

  /** Change the loudspeaker; empty: the system's own choice. One that is gone is let go of. */
  async speakThrough(speakerId) {
    if (!SPEAKERS_CAN_BE_CHOSEN || speakerId === this.#speakerId) return;
    try {
      await Promise.all([this.#context.setSinkId(speakerId), this.#element.setSinkId(speakerId)]);
      this.#speakerId = speakerId;
    } catch {
      if (speakerId) await this.speakThrough("");
    }
  }

  /** Change the microphone while talking. Raises `Trouble`, with the old one still in use. */
  async choose(deviceId) {
    const stream = await microphone(deviceId);
    if (this.#isClosed) return stop(stream);
    let source;
    try {
      source = this.#context.createMediaStreamSource(stream);
    } catch (error) {
      // As in #build, and a context that is in use can't change its rate.
      stop(stream);
      throw new Trouble("other-microphone", error);
    }
    this.#source.disconnect();
    stop(this.#stream);
    this.#stream = stream;
    this.#source = source;
    this.#source.connect(this.#capture);
    this.muted = this.#muted;
    this.#watch();
  }

  async resume() {
    await this.#context.resume();
    if (this.#element.srcObject) await this.#playElement();
  }

  close() {
    this.#isClosed = true;
    this.onBlock = this.onPlayback = this.onHeard = this.onLost = this.onPaused = () => {};
    navigator.mediaDevices.removeEventListener("devicechange", this.#listed);
    this.#element.srcObject = null;
    stop(this.#stream);
    if (this.#context && this.#context.state !== "closed") this.#context.close();
  }

  async #build() {
    try {
      this.#context = new AudioContext({ sampleRate: WIRE_RATE, latencyHint: "interactive" });
      this.#source = this.#context.createMediaStreamSource(this.#stream);
    } catch {
      // Some browsers don't connect a microphone to a context of another rate.
      this.#context?.close();
      this.#context = new AudioContext({ latencyHint: "interactive" });
      this.#source = this.#context.createMediaStreamSource(this.#stream);
    }
    const context = this.#context;
    await Promise.all(
      ["capture-worklet.js", "playback-worklet.js", "ear-worklet.js"].map((file) =>
        context.audioWorklet.addModule(new URL(file, import.meta.url)),
      ),
    );
    const mono = { channelCount: 1, channelCountMode: "explicit" };
    this.#capture = new AudioWorkletNode(context, "capture", { ...mono, numberOfOutputs: 0 });
    this.#playback = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#ear = new AudioWorkletNode(context, "ear", { ...mono, numberOfOutputs: 0 });
    this.#source.connect(this.#capture);
    this.#playback.connect(context.destination);
    this.#capture.port.onmessage = ({ data }) => this.onBlock(data.pcm, data.level);
    this.#playback.port.onmessage = ({ data }) => this.onPlayback(this.#dated(data));
    this.#ear.port.onmessage = ({ data }) => this.onHeard(this.#dated(data));
    context.onstatechange = () => this.onPaused(!["running", "closed"].includes(context.state));
    navigator.mediaDevices.addEventListener("devicechange", this.#listed);
    await context.resume();
  }

  async #playElement() {
    try {
      await this.#element.play();
    } catch (error) {
      // An element that gets another stream breaks off the play of the one before.
      if (error.name !== "AbortError") this.onPaused(true);
    }
  }

  async #leaveLostSpeaker() {
    const known = await speakers();
    if (this.#speakerId && !known.some(([, id]) => id === this.#speakerId)) await this.speakThrough("");
  }

  /** The context's time as the page's own, at the moment when it reaches the ear. */
  #dated(report) {
    if (report.time === undefined) return report;
    const { contextTime, performanceTime } = this.#context.getOutputTimestamp();
    const now = performance.now();
    const latencyMs = (this.#context.outputLatency || this.#context.baseLatency || 0) * 1000;
    const at = performanceTime
      ? performanceTime + (report.time - contextTime) * 1000
      : now + (report.time - this.#context.currentTime) * 1000 + latencyMs;
    return { ...report, at };
  }

  #watch() {
    this.track.onended = () => this.onLost();
  }
}

/** Not every browser lets a page choose where its sound comes out. */
export const SPEAKERS_CAN_BE_CHOSEN = "setSinkId" in (globalThis.AudioContext?.prototype ?? {});

/** The microphones that the browser lets us know of, as pairs of name and id. They have names once one was allowed. */
export function microphones() {
  return devices("audioinput", "Microphone");
}

/** The loudspeakers, likewise. */
export function speakers() {
  return devices("audiooutput", "Speaker");
}

async function devices(wanted, name) {
  const found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return found
    .filter(({ kind, deviceId }) => kind === wanted && deviceId && deviceId !== "default")
    .map(({ deviceId, label }, at) => [label || `${name} ${at + 1}`, deviceId]);
}

async function microphone(deviceId) {
  if (!navigator.mediaDevices) throw new Trouble("insecure");
  const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
  const device = deviceId ? { deviceId: { exact: deviceId } } : {};
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { ...wanted, ...device } });
  } catch (error) {
    // The one that was chosen last time may be in a drawer today.
    if (error.name === "OverconstrainedError" && deviceId) return microphone();
    throw new Trouble(MICROPHONE_TROUBLES[error.name] ?? "sound", error);
  }
}

const MICROPHONE_TROUBLES = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "no-microphone",
  NotReadableError: "busy-microphone",
};

function stop(stream) {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}
