// The browser's sound: one audio context with the microphone on one side and the loudspeaker on the other.

import { WIRE_RATE } from "./pcm.js";
import { Trouble } from "./trouble.js";

export class Sound {
  /** Called with each 20 ms of the microphone, and with its loudness. */
  onBlock = () => {};
  /** Called with the loudspeaker's reports: `began`, `progress`, `ended`, `starved`, `stopped`. */
  onPlayback = () => {};
  /** Called when the microphone is gone. */
  onLost = () => {};
  /** Called when the browser has paused the sound, and when it goes on. */
  onPaused = () => {};

  #context;
  #stream;
  #source;
  #capture;
  #playback;
  #muted = false;

  /** Asks for the microphone `deviceId`, or for any. Raises `Trouble`. */
  static async open(deviceId) {
    const sound = new Sound();
    sound.#stream = await microphone(deviceId);
    try {
      await sound.#build();
    } catch (error) {
      sound.close();
      throw new Trouble("sound", error);
    }
    sound.#watch();
    return sound;
  }

  /** The microphone that is in use. */
  get deviceId() {
    return this.#stream.getAudioTracks()[0].getSettings().deviceId;
  }

  /** @param {Int16Array} pcm at the wire's rate */
  play(item, pcm) {
    this.#playback.port.postMessage({ type: "play", item, pcm }, [pcm.buffer]);
  }

  end(item) {
    this.#playback.port.postMessage({ type: "end", item });
  }

  /** Fall silent now; what was played is reported as `stopped`. */
  stop() {
    this.#playback.port.postMessage({ type: "stop" });
  }

  set muted(muted) {
    this.#muted = muted;
    for (const track of this.#stream.getAudioTracks()) track.enabled = !muted;
  }

  /** Change the microphone while talking. Raises `Trouble`, with the old one still in use. */
  async choose(deviceId) {
    const stream = await microphone(deviceId);
    const source = this.#context.createMediaStreamSource(stream);
    this.#source.disconnect();
    stop(this.#stream);
    this.#stream = stream;
    this.#source = source;
    this.#source.connect(this.#capture);
    this.muted = this.#muted;
    this.#watch();
  }

  resume() {
    return this.#context.resume();
  }

  close() {
    this.onBlock = this.onPlayback = this.onLost = this.onPaused = () => {};
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
      ["capture-worklet.js", "playback-worklet.js"].map((file) =>
        context.audioWorklet.addModule(new URL(file, import.meta.url)),
      ),
    );
    const mono = { channelCount: 1, channelCountMode: "explicit" };
    this.#capture = new AudioWorkletNode(context, "capture", { ...mono, numberOfOutputs: 0 });
    this.#playback = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#source.connect(this.#capture);
    this.#playback.connect(context.destination);
    this.#capture.port.onmessage = ({ data }) => this.onBlock(data.pcm, data.level);
    this.#playback.port.onmessage = ({ data }) => this.onPlayback(this.#dated(data));
    context.onstatechange = () => this.onPaused(!["running", "closed"].includes(context.state));
    await context.resume();
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
    const [track] = this.#stream.getAudioTracks();
    track.onended = () => this.onLost();
  }
}

/** The microphones that the browser lets us know of: `{id, name}`. They have names once one was allowed. */
export async function microphones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter(({ kind, deviceId }) => kind === "audioinput" && deviceId)
    .map(({ deviceId, label }, at) => ({ id: deviceId, name: label || `Microphone ${at + 1}` }));
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
