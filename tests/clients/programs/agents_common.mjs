// What the agents SDK is asked for, in Node and in a page: its quickstart, with the options that people set.

import { Seen } from "./walk.mjs";

/** `sdk`: the package @openai/agents-realtime. `transport`: "websocket" or an object of the SDK. */
export class Agents {
  seen = new Seen();

  constructor(sdk, { url, transport, schema, apiKey = "any" }) {
    this.apiKey = apiKey;
    this.url = url;
    this.sdk = sdk;
    this.schema = schema;
    this.transport = transport;
  }

  async connect() {
    const { RealtimeAgent, RealtimeSession, tool } = this.sdk;
    const lookup = tool({
      name: "lookup",
      description: "Looks something up.",
      parameters: this.schema,
      strict: true,
      execute: async (place) => {
        this.seen.tools.push(place);
        this.choose("none"); // forced once: the follow-up is to be spoken
        return "Open from nine to five.";
      },
    });
    const agent = new RealtimeAgent({ name: "Guide", instructions: "Answer in one short sentence.", tools: [lookup] });
    this.session = new RealtimeSession(agent, {
      transport: this.transport(),
      model: "gpt-realtime-2.1",
      config: {
        voice: "ash",
        audio: { input: { noiseReduction: { type: "near_field" } }, output: { speed: 1.1 } },
        reasoning: { effort: "low" },
      },
    });
    const { seen, session } = this;
    session.on("audio_interrupted", () => seen.interrupt());
    session.on("error", ({ error }) => seen.errors.push(JSON.stringify(error?.error ?? String(error))));
    session.on("transport_event", (event) => this.raw(event));
    const ready = seen.until(() => this.ready);
    this.ready = false;
    await session.connect({ apiKey: this.apiKey, url: this.url });
    await ready;
  }

  raw(event) {
    if (event.type === "session.updated") {
      this.ready = true;
      this.seen.notify();
    }
    this.seen.raw(event);
  }

  choose(toolChoice) {
    this.session.transport.updateSessionConfig({ toolChoice });
  }

  type(text) {
    this.session.sendMessage(text);
  }

  askForTool(text) {
    this.choose("required");
    this.type(text);
  }

  cancel() {
    this.session.interrupt();
  }

  close() {
    this.session.close();
  }
}
