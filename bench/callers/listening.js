// Listens in on a call: what the page's microphone gives, what its loudspeaker gets, and what the server says, all on one
// clock. Put into the page before any script of its own; `window.listening` is what came of it.

if (isSecureContext) {
  const RATE = 48_000;
  const RECORDER = `
    const CHUNK = 4096;
    const fresh = () => [new Int16Array(CHUNK), new Int16Array(CHUNK)];

    registerProcessor("listening", class extends AudioWorkletProcessor {
      #chunks = fresh();
      #filled = 0;

      process(inputs) {
        inputs.forEach(([channel], side) => {
          channel?.forEach((sample, at) => {
            this.#chunks[side][this.#filled + at] = Math.max(-1, Math.min(1, sample)) * 32767;
          });
        });
        this.#filled += 128;
        if (this.#filled === CHUNK) {
          this.port.postMessage({ chunks: this.#chunks, end: (currentFrame + 128) / sampleRate });
          this.#chunks = fresh();
          this.#filled = 0;
        }
        return true;
      }
    });`;
  const sides = [[], []]; // chunks of the microphone's samples and of the loudspeaker's
  const listening = { events: [], connections: [], isScripted: false, recorded, say };
  Object.assign(window, { listening });
  let clock = null;
  let began = null; // when the recording did, by the clock
  let mouth = null; // what is said goes in here
  const opened = open();

  /** Both sides from one sample on, as 16-bit integers in base64. */
  async function recorded() {
    return Promise.all(sides.map((chunks) => encoded(new Blob(chunks))));
  }

  /** Say 16-bit samples, in base64, into a scripted microphone. Resolves when they are said. */
  async function say(encoded) {
    const { context } = await opened;
    const samples = new Int16Array(Uint8Array.from(atob(encoded), (byte) => byte.charCodeAt(0)).buffer);
    const buffer = context.createBuffer(1, samples.length, RATE);
    buffer.copyToChannel(
      Float32Array.from(samples, (sample) => sample / 32768),
      0,
    );
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(mouth);
    return new Promise((/** @type {(done?: undefined) => void} */ resolve) => {
      source.onended = () => resolve();
      source.start();
    });
  }

  async function open() {
    const context = new AudioContext({ sampleRate: RATE });
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([RECORDER], { type: "text/javascript" })));
    /** @type {AudioWorkletNodeOptions} */
    const mono = { channelCount: 1, channelCountMode: "explicit" };
    const recorder = new AudioWorkletNode(context, "listening", { ...mono, numberOfInputs: 2, numberOfOutputs: 0 });
    recorder.port.onmessage = ({ data: { chunks, end } }) => {
      for (const [side, chunk] of chunks.entries()) sides[side].push(chunk);
      began ??= end - chunks[0].length / RATE;
    };
    clock = context;
    return { context, recorder };
  }

  /** @param {number} side 0 for the microphone's, 1 for the loudspeaker's @returns the gain before the recorder */
  async function tap(stream, side) {
    const { context, recorder } = await opened;
    const gain = context.createGain();
    context.createMediaStreamSource(stream).connect(gain).connect(recorder, 0, side);
    return gain;
  }

  function encoded(blob) {
    return new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
      reader.readAsDataURL(blob);
    });
  }

  function note({ data }) {
    const event = { ...JSON.parse(data), at_s: clock.currentTime - began };
    if (event.type === "response.output_audio.delta") delete event.delta;
    listening.events.push(event);
  }

  const { mediaDevices } = navigator;
  const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async (constraints) => {
    const stream = await microphone(await getUserMedia(constraints));
    tap(stream, 0);
    return stream;
  };

  /** The device's own stream; with a script, what `say` says on top of it. */
  async function microphone(stream) {
    if (!listening.isScripted) return stream;
    const { context } = await opened;
    mouth = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    context.createMediaStreamSource(stream).connect(mouth);
    return mouth.stream;
  }

  // What a page plays, it plays through an audio context or through a media element.
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...ports) {
    if (to instanceof AudioDestinationNode) {
      const copy = new MediaStreamAudioDestinationNode(/** @type {AudioContext} */ (to.context));
      connect.call(this, copy);
      tap(copy.stream, 1);
    }
    return connect.call(this, to, ...ports);
  };
  const srcObject = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject");
  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", {
    ...srcObject,
    set(stream) {
      srcObject.set.call(this, stream);
      if (!stream?.getAudioTracks().length) return;
      tap(stream, 1).then((gain) => {
        const follow = () => (gain.gain.value = this.muted ? 0 : this.volume);
        this.addEventListener("volumechange", follow);
        follow();
      });
    },
  });

  window.WebSocket = class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols);
      this.addEventListener("message", note);
    }
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration) {
      super(configuration);
      listening.connections.push(this);
    }

    createDataChannel(label, options) {
      const channel = super.createDataChannel(label, options);
      channel.addEventListener("message", note);
      return channel;
    }
  };
}
