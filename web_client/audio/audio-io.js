/**
 * Audio input and output of a call: one audio context with the microphone on one side and the loudspeaker on the
 * other. A WebRTC call's output comes as a media stream, which a media element plays and the context measures.
 */

import { CallError } from "../errors.js";
import { CAN_CHOOSE_SPEAKER, listSpeakers, openMicrophone, stopTracks } from "./devices.js";
import { WIRE_RATE } from "./pcm.js";

const WORKLETS = ["capture-worklet.js", "playback-worklet.js", "output-meter-worklet.js"];

/** @typedef {import("./jitter-buffer.js").PlaybackState} PlaybackState */

/**
 * A report about audio that `play` plays. `at`: when it reaches the ear, in ms of `performance.now()`.
 * @typedef {object} PlaybackReport
 * @property {"started" | "progress" | "ended" | "starved" | "stopped"} type
 * @property {string} item
 * @property {number} [playedMs]
 * @property {number} [level]
 * @property {number} [at]
 * @property {{item: string, playedMs: number}[]} [cut] with `stopped`: what was not played to its end
 */

/**
 * A report about the stream that `playStream` plays: each `onset` after silence.
 * @typedef {{type: "onset", at: number}} OnsetReport
 */

/** @typedef {{deviceId: string, speakerId: string, volume: number}} Devices */

export class AudioIO {
  /**
   * Called with every 20 ms of the microphone.
   * @type {(pcm: Int16Array, level: number) => void}
   */
  onBlock = () => {};
  /** @type {(report: PlaybackReport) => void} */
  onPlayback = () => {};
  /**
   * Called with every 20 ms of the stream that `playStream` plays.
   * @type {(pcm: Int16Array, level: number) => void}
   */
  onStreamBlock = () => {};
  /** @type {(report: OnsetReport) => void} */
  onOnset = () => {};
  /** Called when the microphone is lost. */
  onLost = () => {};
  /**
   * Called when the browser pauses the audio, and when it resumes.
   * @type {(paused: boolean) => void}
   */
  onPaused = () => {};

  #context;
  /** Whether a microphone is open; without one, silence is sent. */
  hasMicrophone;

  #stream;
  #source;
  #capture;
  #playback;
  #meter;
  #gain;
  #element = new Audio();
  /** @type {MediaStreamAudioSourceNode | null} */
  #remote = null;
  #muted = false;
  #closed = false;
  #speakerId = "";
  #onDeviceChange = () => this.#leaveLostSpeaker();

  /**
   * Open a loudspeaker, and a microphone if one is wanted. Raises `CallError`.
   * @param {Devices} devices "" stands for any microphone and for the system's loudspeaker
   * @param {boolean} withMicrophone
   */
  static async open({ deviceId, speakerId, volume }, withMicrophone) {
    const microphone = withMicrophone ? await openMicrophone(deviceId) : null;
    const parts = connect(microphone);
    try {
      await loadWorklets(parts.context);
      const audio = new AudioIO(parts, withMicrophone);
      audio.volume = volume;
      await parts.context.resume();
      await audio.chooseSpeaker(speakerId);
      return audio;
    } catch (error) {
      stopTracks(parts.stream);
      parts.context.close();
      throw error instanceof CallError ? error : new CallError("audio", error);
    }
  }

  /**
   * @param {ReturnType<typeof connect>} parts a context with the worklets, and the microphone in it
   * @param {boolean} hasMicrophone
   */
  constructor({ context, stream, source }, hasMicrophone) {
    this.hasMicrophone = hasMicrophone;
    this.#stream = stream;
    this.#context = context;
    this.#source = source;
    /** @type {AudioWorkletNodeOptions} */
    const input = { channelCount: 1, channelCountMode: "explicit", numberOfOutputs: 0 };
    this.#capture = new AudioWorkletNode(context, "capture", input);
    this.#meter = new AudioWorkletNode(context, "output-meter", input);
    this.#playback = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#gain = new GainNode(context);
    source.connect(this.#capture);
    this.#playback.connect(this.#gain).connect(context.destination);
    this.#capture.port.onmessage = ({ data }) => this.onBlock(data.pcm, data.level);
    this.#playback.port.onmessage = ({ data }) => this.onPlayback(this.#withPageTime(data));
    this.#meter.port.onmessage = ({ data }) => {
      if (data.type === "block") this.onStreamBlock(data.pcm, data.level);
      else this.onOnset(this.#withPageTime(data));
    };
    context.onstatechange = () => this.onPaused(!["running", "closed"].includes(context.state));
    navigator.mediaDevices?.addEventListener("devicechange", this.#onDeviceChange);
    this.#watch();
  }

  /** The microphone's track; a silent one without a microphone. */
  get track() {
    return this.#stream.getAudioTracks()[0];
  }

  /**
   * Play audio of an item.
   * @param {string} item
   * @param {Int16Array} pcm at the wire's rate; it is handed over
   */
  play(item, pcm) {
    this.#playback.port.postMessage({ type: "play", item, pcm }, [pcm.buffer]);
  }

  /**
   * Mark an item's audio as complete.
   * @param {string} item
   */
  end(item) {
    this.#playback.port.postMessage({ type: "end", item });
  }

  /**
   * @param {PlaybackState} state
   * @param {import("./word-start.js").ResumedAnswer} [resumed] the answer that plays on after a pause
   */
  setPlayback(state, resumed) {
    this.#playback.port.postMessage({ type: "state", state, resumed });
  }

  /** Fall silent now; what was played is reported as `stopped`. */
  stop() {
    this.#playback.port.postMessage({ type: "stop" });
  }

  /**
   * Play a media stream; null ends the one before.
   * @param {MediaStream | null} stream
   */
  async playStream(stream) {
    this.#remote?.disconnect();
    this.#remote = stream && this.#context.createMediaStreamSource(stream);
    this.#remote?.connect(this.#meter);
    this.#element.srcObject = stream;
    if (stream) await this.#playElement();
  }

  set muted(/** @type {boolean} */ muted) {
    this.#muted = muted;
    this.track.enabled = !muted;
  }

  set volume(/** @type {number} from 0 to 1 */ volume) {
    this.#gain.gain.value = volume;
    this.#element.volume = volume;
  }

  /**
   * Change the loudspeaker. If it is missing, the system's default is used.
   * @param {string} speakerId "" for the system's default
   */
  async chooseSpeaker(speakerId) {
    if (!CAN_CHOOSE_SPEAKER || speakerId === this.#speakerId) return;
    try {
      // @ts-expect-error: AudioContext.setSinkId is not in TypeScript's library yet.
      await Promise.all([this.#context.setSinkId(speakerId), this.#element.setSinkId(speakerId)]);
      this.#speakerId = speakerId;
    } catch {
      if (speakerId) await this.chooseSpeaker("");
    }
  }

  /**
   * Change the microphone during a call, or add one. Raises `CallError`, with the old one still in use.
   * @param {string} deviceId "" for any
   */
  async chooseMicrophone(deviceId) {
    const stream = await openMicrophone(deviceId);
    if (this.#closed) return stopTracks(stream);
    let source;
    try {
      source = this.#context.createMediaStreamSource(stream);
    } catch (error) {
      // As in `connect`, but a context that is in use can't change its rate.
      stopTracks(stream);
      throw new CallError("microphone-locked", error);
    }
    this.#source.disconnect();
    stopTracks(this.#stream);
    this.#stream = stream;
    this.#source = source;
    this.#source.connect(this.#capture);
    this.hasMicrophone = true;
    this.muted = this.#muted;
    this.#watch();
  }

  async resume() {
    await this.#context.resume();
    if (this.#element.srcObject) await this.#playElement();
  }

  close() {
    this.#closed = true;
    this.onBlock = this.onPlayback = this.onStreamBlock = this.onOnset = this.onLost = this.onPaused = () => {};
    navigator.mediaDevices?.removeEventListener("devicechange", this.#onDeviceChange);
    this.#element.srcObject = null;
    stopTracks(this.#stream);
    if (this.#context.state !== "closed") this.#context.close();
  }

  async #playElement() {
    try {
      await this.#element.play();
    } catch (error) {
      // An element that is given another stream aborts the play() before.
      if (/** @type {Error} */ (error).name !== "AbortError") this.onPaused(true);
    }
  }

  async #leaveLostSpeaker() {
    const known = await listSpeakers();
    if (this.#speakerId && !known.some(([, id]) => id === this.#speakerId)) await this.chooseSpeaker("");
  }

  /**
   * Add the page's time of a report's context time, at the moment it reaches the ear.
   * @template {{time?: number}} Report
   * @param {Report} report
   */
  #withPageTime(report) {
    if (report.time === undefined) return report;
    const { contextTime = 0, performanceTime } = this.#context.getOutputTimestamp();
    const latencyMs = (this.#context.outputLatency || this.#context.baseLatency || 0) * 1000;
    const at = performanceTime
      ? performanceTime + (report.time - contextTime) * 1000
      : performance.now() + (report.time - this.#context.currentTime) * 1000 + latencyMs;
    return { ...report, at };
  }

  #watch() {
    this.track.onended = () => this.onLost();
  }
}

/** @param {MediaStream | null} microphone null for silence */
function connect(microphone) {
  const wireRate = new AudioContext({ sampleRate: WIRE_RATE, latencyHint: "interactive" });
  const stream = microphone ?? wireRate.createMediaStreamDestination().stream;
  try {
    return { context: wireRate, stream, source: wireRate.createMediaStreamSource(stream) };
  } catch {
    // Some browsers don't connect a microphone to a context of another rate.
    wireRate.close();
    const context = new AudioContext({ latencyHint: "interactive" });
    return { context, stream, source: context.createMediaStreamSource(stream) };
  }
}

/** @param {AudioContext} context */
async function loadWorklets(context) {
  try {
    await Promise.all(WORKLETS.map((file) => context.audioWorklet.addModule(new URL(file, import.meta.url))));
  } catch (error) {
    // The browser's name for a module that could not be fetched.
    if (/** @type {Error} */ (error).name === "AbortError") throw new CallError("server-down", error);
    throw error;
  }
}
