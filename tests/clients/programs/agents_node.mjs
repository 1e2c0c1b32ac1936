// @openai/agents-realtime in Node, over a WebSocket: `node agents_node.mjs --modules FOLDER URL FOLDER`.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Agents } from "./agents_common.mjs";
import { walk } from "./walk.mjs";

const [, modules, url, folder] = process.argv.slice(2); // --modules FOLDER URL FOLDER
const sdk = await import(pathToFileURL(createRequire(`${modules}/`).resolve("@openai/agents-realtime")));

const BLOCK = 4800; // bytes: 100 ms of pcm16 at 24 kHz

class NodeAgents extends Agents {
  #waiting = Buffer.alloc(0);

  async connect() {
    await super.connect();
    this.session.on("audio", ({ data }) => this.seen.sound(data.byteLength / 2 / 24_000));
    this.microphone = setInterval(() => {
      const block = Buffer.alloc(BLOCK);
      this.#waiting.copy(block, 0, 0, BLOCK);
      this.#waiting = this.#waiting.subarray(BLOCK);
      this.session.sendAudio(block.buffer.slice(block.byteOffset, block.byteOffset + BLOCK));
    }, 100);
  }

  say(name) {
    this.#waiting = Buffer.concat([this.#waiting, readFileSync(`${folder}/${name}.pcm`)]);
  }

  close() {
    clearInterval(this.microphone);
    super.close();
  }
}

const parameters = {
  type: "object",
  properties: { place: { enum: ["museum", "library"] } },
  required: ["place"],
  additionalProperties: false,
};
const client = new NodeAgents(sdk, {
  url: `${url.replace("http", "ws")}/v1/realtime?model=gpt-realtime-2.1`,
  transport: () => "websocket",
  schema: parameters,
});
await walk(client, (facts) => console.log(JSON.stringify(facts)));
process.exit(0);
