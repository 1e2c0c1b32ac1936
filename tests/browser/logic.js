// The page's own reckoning, without its sound and its server: what does not come out as it should, as a list of complaints.

(async () => {
  const [{ JitterBuffer }, { Session, saidBy, voiceToVoice }, { TrackClock }] = await Promise.all(
    ["/jitter.js", "/session.js", "/track-clock.js"].map((module) => import(module)),
  );
  const RATE = 1000;
  const complaints = [];

  function same(what, got, wanted) {
    const [one, other] = [got, wanted].map((value) => JSON.stringify(value));
    if (one !== other) complaints.push(`${what}: ${one} instead of ${other}`);
  }

  /** `count` samples of sound that never changes, all of it there. */
  function full(count, item = "a", buffer = new JitterBuffer(RATE)) {
    buffer.push(item, new Float32Array(count).fill(1));
    buffer.end(item);
    return buffer;
  }

  function pull(buffer, count) {
    const out = new Float32Array(count);
    const reports = buffer.pull(out);
    return { out, reports };
  }

  /** An answer of two seconds by track; `tell` it what the server says. */
  function answer() {
    const session = new Session();
    session.byTrack = true;
    const tell = (type, event = {}, now = 0) => session.receive({ type, ...event }, now);
    tell("response.created", { response: { id: "r" } });
    tell("response.output_item.added", { response_id: "r", item: { type: "message", id: "i" } });
    for (const delta of ["One two ", "three four"]) {
      tell("response.output_audio_transcript.delta", { item_id: "i", delta });
      session.audio("i", 1000, 0);
    }
    return { session, tell, entry: session.entries[0] };
  }

  {
    const buffer = full(1000);
    same("before a pause", pull(buffer, 100).out.every((sample) => sample === 1), true);
    buffer.follow("paused");
    const { out } = pull(buffer, 100);
    same("a pause fades", [out[0] < 1, out[0] > 0.9, out[14], out[99]], [true, true, 0, 0]);
    same("a pause plays no more than its fade", buffer.playing.played, 115);
    pull(buffer, 500);
    same("a pause holds", buffer.playing.played, 115);
    buffer.follow("ducked");
    same("a duck is quieter", pull(buffer, 100).out[99].toFixed(2), "0.20");
    buffer.follow("full");
    same("and then full again", pull(buffer, 100).out[99], 1);
    same("to the last sample", pull(buffer, 800).reports, [{ type: "ended", item: "a", played: 1000 }]);
  }

  {
    const buffer = full(1000);
    pull(buffer, 100);
    buffer.follow("paused");
    pull(buffer, 100);
    same("what is stopped in a pause", buffer.stop(), [{ item: "a", played: 115 }]);
    same("is not heard any more", pull(buffer, 100).out.every((sample) => sample === 0), true);
    same("and the next is heard in full", pull(full(100, "b", buffer), 50).out[49], 1);
  }

  {
    const clock = new TrackClock();
    clock.start("r", 0);
    same("what is not made is not played", clock.played(500, 300), 300);
    same("nor is time made up for", clock.played(600, 1000), 400);
    clock.wait(600);
    clock.wait(650);
    same("a pause holds the clock", clock.played(900, 1000), 400);
    clock.goOn(1000);
    same("and lets it go on", clock.played(1100, 1000), 500);
  }

  {
    const { session, tell, entry } = answer();
    session.heard(90);
    same("no sound without a start", entry.startedAt, null);
    tell("output_audio_buffer.started", { response_id: "r" }, 100);
    same("sound may come before the word of it", entry.startedAt, 90);
    session.tick(600);
    same("as long as it has been playing", [entry.playedMs, entry.state, session.floor], [500, "speaking", "agent"]);
    tell("antiphon.playback", { state: "paused" }, 600);
    session.tick(900);
    tell("antiphon.playback", { state: "full" }, 1100);
    session.tick(1200);
    same("but for the pause", entry.playedMs, 600);
    session.tick(9000);
    tell("output_audio_buffer.stopped", { response_id: "r" }, 9000);
    same("to its end", [entry.playedMs, entry.state, session.floor], [2000, "said", "thinking"]);
  }

  {
    const { session, tell, entry } = answer();
    tell("output_audio_buffer.started", { response_id: "r" }, 100);
    session.heard(160);
    const timeline = JSON.stringify({ speech_ended: 0, first_packet: 700 });
    tell("response.done", { response: { id: "r", status: "completed", output: [], metadata: { timeline } } });
    same("voice to voice", voiceToVoice(entry), 760);
  }

  {
    const { session, tell, entry } = answer();
    tell("output_audio_buffer.started", { response_id: "r" });
    session.tick(1200);
    same("who breaks in", tell("input_audio_buffer.speech_started", { item_id: "u" }, 1250), [{ stop: true }]);
    same("cuts at the last whole word", saidBy(entry), "One two");
    const output = [{ id: "i", content: [{ transcript: "One two three" }] }];
    same("the server counts", tell("response.done", { response: { id: "r", status: "cancelled", output } }), []);
    same("the words", saidBy(entry), "One two three");
    tell("output_audio_buffer.cleared", { response_id: "r" });
    same("and nobody else", saidBy(entry), "One two three");
    const [effect] = tell("conversation.item.truncated", { item_id: "i", audio_end_ms: 400 });
    same("what it cut is asked for", [effect.send.type, entry.playedMs], ["conversation.item.retrieve", 400]);
  }

  {
    const { session, tell } = answer();
    tell("output_audio_buffer.started", { response_id: "r" });
    session.tick(1200);
    const sent = session.write("Hello", 1300).flatMap(({ send }) => (send ? [send.type] : []));
    const wanted = ["response.cancel", "output_audio_buffer.clear", "conversation.item.create", "response.create"];
    same("writing stops the answer", sent, wanted);
    const memories = session.memories().map(({ item }) => [item.role, item.content[0].text]);
    same("what is remembered", memories, [["assistant", "One two"], ["user", "Hello"]]);
  }

  {
    const session = new Session();
    const event = { type: "antiphon.playback", state: "ducked" };
    same("over a WebSocket the page plays", session.receive(event, 0), [{ follow: "ducked" }]);
    for (const delta of ["Let me ", "think."]) {
      session.receive({ type: "antiphon.thoughts.delta", response_id: "r", delta }, 0);
    }
    same("thoughts", [...session.thoughts], [["r", "Let me think."]]);
  }

  return complaints;
})();
