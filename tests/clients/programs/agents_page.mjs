// @openai/agents-realtime in a page, over WebRTC, from another origin than the server's. `start` is called by the test.

import { Agents } from "./agents_common.mjs";
import * as sdk from "./sdk/openai-realtime-agents.mjs";
import { walk } from "./walk.mjs";

const context = new AudioContext();

class PageAgents extends Agents {
  /** The microphone is a track that recordings are played into; the loudspeaker is measured. */
  async connect() {
    this.microphone = context.createMediaStreamDestination();
    const speaker = new Audio();
    this.newTransport = () =>
      new sdk.OpenAIRealtimeWebRTC({ mediaStream: this.microphone.stream, audioElement: speaker });
    await super.connect();
    this.listening = listen(speaker, this.seen);
  }

  /** Over WebRTC an answer is over when it has been played, not when it is made. */
  raw(event) {
    if (event.type !== "response.done") super.raw(event);
    if (event.type === "output_audio_buffer.stopped") this.seen.end(false);
    if (event.type === "output_audio_buffer.cleared") this.seen.end(true);
  }

  async say(name) {
    const recording = await (await fetch(`recordings/${name}.wav`)).arrayBuffer();
    const source = context.createBufferSource();
    source.buffer = await context.decodeAudioData(recording);
    source.connect(this.microphone);
    source.start();
  }

  close() {
    clearInterval(this.listening);
    super.close();
  }
}

/** Counts the time during which the agent's voice is heard. */
function listen(speaker, seen) {
  const analyser = context.createAnalyser();
  const samples = new Float32Array(analyser.fftSize);
  let stream;
  return setInterval(() => {
    if (speaker.srcObject && speaker.srcObject !== stream) {
      stream = speaker.srcObject;
      context.createMediaStreamSource(stream).connect(analyser);
    }
    analyser.getFloatTimeDomainData(samples);
    const isAudible = samples.some((sample) => Math.abs(sample) > 0.01);
    if (isAudible && seen.last && !seen.last.over) seen.sound(0.05);
  }, 50);
}

/** `apiKey`: an ephemeral one. The SDK takes no other in a page. */
window.start = async (url, apiKey) => {
  await context.resume();
  const parameters = {
    type: "object",
    properties: { place: { enum: ["museum", "library"] } },
    required: ["place"],
    additionalProperties: false,
  };
  const client = new PageAgents(sdk, {
    url: `${url}/v1/realtime/calls`,
    apiKey,
    transport: () => client.newTransport(),
    schema: parameters,
  });
  const steps = [];
  await walk(client, (facts) => steps.push(facts));
  return steps;
};
