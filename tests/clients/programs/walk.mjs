// The walk of the JavaScript clients, the same as walk.py's: a person talks, types, breaks in and hangs up.
// Runs in Node and in a page; `report` is given one object a step.

const STEP_TIMEOUT_MS = 90_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What the client has given to its application so far. `now` is the clock, in seconds. */
export class Seen {
  heard = [];
  answers = [];
  tools = [];
  interruptions = 0;
  truncations = 0;
  errors = [];
  #waiting = [];

  notify() {
    this.#waiting = this.#waiting.filter(({ condition, resolve }) => !(condition() && (resolve(), true)));
  }

  until(condition) {
    return new Promise((resolve) => {
      this.#waiting.push({ condition, resolve });
      this.notify();
    });
  }

  get last() {
    return this.answers.at(-1);
  }

  open() {
    if (!this.last || this.last.over) this.answers.push({ text: "", audio_s: 0, began: 0, over: false, cut: false });
    return this.last;
  }

  sound(seconds) {
    const answer = this.open();
    answer.began ||= performance.now() / 1000;
    answer.audio_s += seconds;
    this.notify();
  }

  words(text) {
    this.open().text += text;
    this.notify();
  }

  end(cut) {
    if (cut) this.interrupt();
    if (this.last) this.last.over = true;
    this.notify();
  }

  interrupt() {
    if (this.last?.audio_s && !this.last.cut && (!this.last.over || left(this.last) > 0)) {
      this.last.cut = true;
      this.interruptions += 1;
    }
    this.notify();
  }

  /** Notes the server's events that the client passes on as they are. */
  raw(event) {
    if (event.type === "response.output_audio_transcript.delta") this.words(event.delta);
    if (event.type === "response.done") this.end(event.response.status === "cancelled");
    if (event.type === "conversation.item.truncated") this.truncations += 1;
    if (event.type === "conversation.item.input_audio_transcription.completed") {
      this.heard.push(event.transcript);
      this.notify();
    }
  }
}

/** Seconds that a loudspeaker still has to play of an answer. */
const left = (answer) => answer.began + answer.audio_s - performance.now() / 1000;

/** `client`: connect(), say(name), type(text), askForTool(text), cancel(), close() and its `seen`. */
export async function walk(client, report) {
  const { seen } = client;
  const step = async (name, work) => {
    const facts = {};
    const timeout = sleep(STEP_TIMEOUT_MS).then(() => {
      throw new Error("timeout");
    });
    try {
      await Promise.race([work(facts), timeout]);
    } catch (error) {
      facts.failed = String(error);
    }
    timeout.catch(() => {});
    report({ step: name, ...facts, errors: seen.errors.splice(0) });
    return !facts.failed;
  };

  if (!(await step("connect", () => client.connect()))) return;
  for (const name of ["turn_04", "turn_12"]) {
    await step(name, async (facts) => {
      client.say(name);
      await answered(seen, facts);
    });
  }
  await step("barge_in", async (facts) => {
    const [interruptions, heard, answers] = [seen.interruptions, seen.heard.length, seen.answers.length];
    client.say("turn_06");
    await seen.until(() => seen.answers.length > answers && seen.last.audio_s > 0.3);
    await sleep(300); // the person listens for a while
    client.say("barge_02");
    await seen.until(() => seen.interruptions > interruptions);
    await seen.until(() => seen.heard.length > heard + 1);
    await answered(seen, facts, answers + 1);
    facts.interruptions = seen.interruptions - interruptions;
    facts.truncations = seen.truncations;
    facts.heard = seen.heard.slice(heard);
  });
  await step("tool", async (facts) => {
    const answers = seen.answers.length;
    await client.askForTool("Look up the opening hours of the museum.");
    await seen.until(() => seen.tools.length > 0);
    await answered(seen, facts, answers);
    facts.tools = seen.tools;
  });
  await step("text", async (facts) => {
    const answers = seen.answers.length;
    client.type("What is the capital of France?");
    await answered(seen, facts, answers);
  });
  await step("cancel", async (facts) => {
    const answers = seen.answers.length;
    client.type("Tell me a long story about the sea.");
    await seen.until(() => seen.answers.length > answers && seen.last.audio_s > 0.2);
    client.cancel();
    await seen.until(() => seen.last.over);
    facts.cut = seen.last.cut;
  });
  await step("close", () => client.close());
  await step("reconnect", async (facts) => {
    const answers = seen.answers.length;
    await client.connect();
    client.type("What is nine times six?");
    await answered(seen, facts, answers);
    await client.close();
  });
}

/** Waits for the end of a spoken answer, made and played. */
async function answered(seen, facts, first = seen.answers.length) {
  const heard = seen.heard.length;
  const isSpoken = (answer) => answer.over && answer.audio_s > 0;
  await seen.until(() => seen.answers.slice(first).some(isSpoken));
  const answer = seen.answers.slice(first).find(isSpoken);
  await sleep(Math.max(0, left(answer) * 1000));
  facts.answer = answer.text.trim();
  facts.audio_s = answer.audio_s;
  facts.heard = seen.heard.slice(heard);
  facts.answers = seen.answers.slice(first).filter((answer) => answer.audio_s > 0).length;
}
