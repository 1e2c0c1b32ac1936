// Tests of the page's pure modules, without audio and server. The result is a list of complaints.

(async () => {
  const modules = ["audio/jitter-buffer", "audio/resampler", "call/session", "call/entries", "call/track-clock"];
  const [{ JitterBuffer }, { Resampler }, { Session }, { playedText, voiceToVoice }, { TrackClock }] =
    await Promise.all(modules.map((module) => import(`/${module}.js`)));
  const RATE = 1000;
  const complaints = [];

  function same(what, got, wanted) {
    const [one, other] = [got, wanted].map((value) => JSON.stringify(value));
    if (one !== other) complaints.push(`${what}: ${one} instead of ${other}`);
  }

  /** A buffer with `count` samples of a constant signal, complete. */
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

  /** `count` distinct samples that continue after `before` earlier ones. */
  function counted(before, count) {
    return Float32Array.from({ length: count }, (_, at) => before + at + 1);
  }

  function sounding(samples) {
    return samples.filter((sample) => sample !== 0);
  }

  /** A reproducible random generator: each call returns a whole number below `end`. */
  function dice() {
    let seed = 1;
    return (end) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % end;
    };
  }

  /** An answer of two seconds; `tell` passes it server events. */
  function answer(byTrack = true) {
    const session = new Session();
    session.byTrack = byTrack;
    const tell = (type, event = {}, now = 0) => session.receive({ type, ...event }, now);
    tell("response.created", { response: { id: "r" } });
    tell("response.output_item.added", { response_id: "r", item: { type: "message", id: "i" } });
    for (const delta of ["One two ", "three four"]) {
      tell("response.output_audio_transcript.delta", { item_id: "i", delta });
      session.audio("i", 1000, 0);
    }
    return { session, tell, entry: session.entries[0] };
  }

  /** The same over a WebSocket: `hear` plays some milliseconds of it, `report` passes on reports as the page does. */
  function answerHeard() {
    const buffer = full(2000, "i");
    const { session, tell, entry } = answer(false);
    let heardMs = 0;
    const report = ({ played, ...rest }) => session.played({ ...rest, playedMs: played });
    const hear = (ms) => {
      const { out, reports } = pull(buffer, ms);
      heardMs += sounding(out).length;
      return [...reports, { type: "progress", ...buffer.playing }];
    };
    /** Stop the output. Returns what is sent to the server, and how much was played. */
    const stop = () => {
      const cut = buffer.stop().map(({ item, played }) => ({ item, playedMs: played }));
      hear(500);
      return { told: session.played({ type: "stopped", cut }), heardMs };
    };
    return { tell, entry, report, hear, stop };
  }

  function truncation(ms) {
    return { send: { type: "conversation.item.truncate", item_id: "i", content_index: 0, audio_end_ms: ms } };
  }

  function resampled(from, to, pieces) {
    const resampler = new Resampler(from, to);
    const output = pieces.map((piece) => resampler.push(piece));
    return [...output, resampler.flush()].flatMap((samples) => [...samples]);
  }

  /** Peak without both ends, where the filter reaches into silence. */
  function loudest(samples) {
    return Math.max(...samples.slice(100, -100).map(Math.abs)).toFixed(3);
  }

  function tone(hz, rate, count) {
    return Float32Array.from({ length: count }, (_, at) => Math.sin((2 * Math.PI * hz * at) / rate));
  }

  {
    const buffer = full(1000);
    same(
      "before a pause",
      pull(buffer, 100).out.every((sample) => sample === 1),
      true,
    );
    buffer.setState("paused");
    const { out } = pull(buffer, 100);
    same("a pause fades", [out[0] < 1, out[0] > 0.9, out[14], out[99]], [true, true, 0, 0]);
    same("a pause plays no more than its fade", buffer.playing.played, 115);
    pull(buffer, 500);
    same("a pause holds", buffer.playing.played, 115);
    buffer.setState("ducked");
    same("a duck is quieter", pull(buffer, 100).out[99].toFixed(2), "0.20");
    buffer.setState("full");
    same("and then full again", pull(buffer, 100).out[99], 1);
    same("to the last sample", pull(buffer, 800).reports, [{ type: "ended", item: "a", played: 1000 }]);
  }

  {
    const buffer = full(1000);
    pull(buffer, 100);
    buffer.setState("paused");
    pull(buffer, 100);
    same("what is stopped in a pause", buffer.stop(), [{ item: "a", played: 115 }]);
    same(
      "is not heard any more",
      pull(buffer, 100).out.every((sample) => sample === 0),
      true,
    );
    same("and the next is heard in full", pull(full(100, "b", buffer), 50).out[49], 1);
  }

  {
    const buffer = new JitterBuffer(RATE);
    for (const hold of [40, 60, 90, 135, 203, 300, 300]) {
      buffer.push("a", new Float32Array(hold - 1).fill(1));
      same(`${hold - 1} ms are held back`, sounding(pull(buffer, 500).out).length, 0);
      buffer.push("a", new Float32Array(1).fill(1));
      const { out, reports } = pull(buffer, 500);
      same(`${hold} ms are played`, [sounding(out).length, reports.at(-1)?.type], [hold, "starved"]);
    }
    buffer.push("a", new Float32Array(1).fill(1));
    buffer.end("a");
    same("an end is not held back", sounding(pull(buffer, 10).out).length, 1);
  }

  {
    const buffer = new JitterBuffer(RATE);
    buffer.push("a", counted(0, 1000));
    const heard = [...pull(buffer, 100).out];
    buffer.setState("paused");
    heard.push(...pull(buffer, 200).out.slice(0, 15));
    buffer.setState("full");
    heard.push(...pull(buffer, 100).out);
    const gain = (at) => Math.min(1, Math.abs(at - 114) / 15); // silent at the 115th sample
    const worst = Math.max(...heard.map((sample, at) => Math.abs(sample - (at + 1) * gain(at))));
    same("a pause neither loses nor repeats", worst.toFixed(3), "0.000");
  }

  {
    /** Play until silent in a pause at 115 ms, and play on. */
    const resume = (wordsMs, item = "a") => {
      const buffer = new JitterBuffer(RATE);
      buffer.push("a", counted(0, 3000));
      pull(buffer, 100);
      buffer.setState("paused");
      pull(buffer, 200);
      buffer.rewind({ item, wordsMs });
      buffer.setState("full");
      const { out, reports } = pull(buffer, 100);
      return [Math.round(out[99]) - 100, buffer.playing.played - 100, ...reports];
    };
    const word = [20, 200];
    same("after a pause the word is said again", resume([[0, 20], word]), [20, 20]);
    same("that was broken off", resume([[0, 115]]), [115, 115]);
    same("and no other", resume([[115, 300]]), [115, 115]);
    same("nor one of another answer", resume([word], "b"), [115, 115]);
    same("the first one does not begin the answer anew", resume([[0, 200]]), [0, 0]);
    const buffer = new JitterBuffer(RATE);
    buffer.push("a", counted(0, 3000));
    pull(buffer, 100);
    buffer.setState("paused");
    buffer.rewind({ item: "a", wordsMs: [word] });
    same("a voice that has not fallen silent yet plays on", buffer.playing.played, 100);
  }

  {
    const buffer = new JitterBuffer(RATE);
    buffer.push("a", counted(0, 3000));
    for (let at = 0; at < 1500; at += 100) pull(buffer, 100);
    buffer.setState("paused");
    pull(buffer, 100);
    buffer.rewind({ item: "a", wordsMs: [[600, 2000]] });
    same("nearly a second is said again", buffer.playing.played, 600);
    buffer.rewind({ item: "a", wordsMs: [[100, 2000]] });
    same("but not what is gone", buffer.playing.played, 500);
  }

  {
    const random = dice();
    let starved = 0;
    for (let run = 0; run < 200; run++) {
      const buffer = new JitterBuffer(RATE);
      const heard = [];
      const play = (count) => {
        const { out, reports } = pull(buffer, count);
        heard.push(...sounding(out));
        starved += reports.filter(({ type }) => type === "starved").length;
      };
      let pushed = 0;
      for (const item of ["a", "b"]) {
        for (let piece = 0; piece < 50; piece++) {
          const count = random(60);
          buffer.push(item, counted(pushed, count));
          pushed += count;
          play(random(60));
        }
        buffer.end(item);
      }
      play(pushed);
      const wrong = counted(0, pushed).findIndex((sample, at) => sample !== heard[at]);
      same(`run ${run}: all is played, in order`, [wrong, heard.length], [-1, pushed]);
    }
    same("also where it ran dry", starved > 200, true);
  }

  {
    const random = dice();
    for (const [from, to] of [
      [24_000, 48_000],
      [48_000, 24_000],
      [24_000, 44_100],
      [44_100, 24_000],
      [24_000, 24_000],
    ]) {
      const what = `${from} to ${to} Hz`;
      const sound = tone(1000, from, from / 10);
      const whole = resampled(from, to, [sound]);
      same(`${what}: as long`, whole.length, to / 10);
      const wanted = tone(1000, to, to / 10);
      const errors = whole.map((sample, at) => sample - wanted[at]);
      same(`${what}: a tone stays what it is`, loudest(errors), "0.000");
      const pieces = [];
      for (let at = 0; at < sound.length; at += pieces.at(-1).length) {
        pieces.push(sound.slice(at, at + 1 + random(200)));
      }
      same(
        `${what}: in pieces`,
        resampled(from, to, pieces).every((sample, at) => sample === whole[at]),
        true,
      );
    }
    const tooHigh = resampled(48_000, 24_000, [tone(16_000, 48_000, 4800)]);
    same("what the lower rate can't hold is gone", loudest(tooHigh), "0.000");
  }

  for (const [what, ms, untoldMs, kept] of [
    ["nothing", 0, 0, ""],
    ["a part", 1200, 34, "One two"],
    ["all", 1990, 10, "One two three four"],
  ]) {
    const { tell, entry, report, hear, stop } = answerHeard();
    hear(ms).forEach(report);
    hear(untoldMs);
    same(`${what} was heard: stop`, tell("input_audio_buffer.speech_started", { item_id: "u" }), [{ stop: true }]);
    const { told, heardMs } = stop();
    same(`${what} was heard: the server is told`, told, [truncation(heardMs)]);
    same(`${what} was heard: the words`, playedText(entry), kept);
    const reckoned = tell("conversation.item.truncated", { item_id: "i", audio_end_ms: heardMs + 100 });
    same(`${what} was heard: the loudspeaker knows better`, reckoned, [truncation(heardMs)]);
    const agreed = tell("conversation.item.truncated", { item_id: "i", audio_end_ms: heardMs });
    same(`${what} was heard: agreed`, agreed, [{ send: { type: "conversation.item.retrieve", item_id: "i" } }]);
  }

  {
    const { tell, entry, report, hear, stop } = answerHeard();
    hear(1900).forEach(report);
    const late = hear(200);
    same("a barge-in at the end", tell("input_audio_buffer.speech_started", { item_id: "u" }), [{ stop: true }]);
    same("cuts nothing off", late.flatMap(report), [truncation(2000)]);
    same("of what was heard", stop(), { told: [], heardMs: 2000 });
    same("in words", playedText(entry), "One two three four");
  }

  {
    const { tell, entry, report, hear } = answerHeard();
    hear(2100).forEach(report);
    same("speech after the end", tell("input_audio_buffer.speech_started", { item_id: "u" }), []);
    same("stops nothing", [entry.state, entry.playedMs], ["finished", 2000]);
  }

  {
    const clock = new TrackClock();
    clock.start("r", 0);
    same("what is not made is not played", clock.played(500, 300), 300);
    same("nor is time made up for", clock.played(600, 1000), 400);
    clock.pause(600);
    clock.pause(650);
    same("a pause holds the clock", clock.played(900, 1000), 400);
    clock.resume(1000);
    same("and lets it go on", clock.played(1100, 1000), 500);
  }

  {
    const { session, tell, entry } = answer();
    session.audible(90);
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
    tell("antiphon.playback", { state: "paused" }, 1200);
    tell("antiphon.playback", { state: "full", item_id: "i", words_ms: [[450, 700]] }, 1500);
    session.tick(1600);
    same("and the word that is said again", entry.playedMs, 550);
    session.tick(9000);
    tell("output_audio_buffer.stopped", { response_id: "r" }, 9000);
    same("to its end", [entry.playedMs, entry.state, session.floor], [2000, "finished", "thinking"]);
  }

  {
    const { session, tell, entry } = answer();
    tell("output_audio_buffer.started", { response_id: "r" }, 100);
    session.audible(160);
    const timeline = JSON.stringify({ speech_ended: 0, first_packet: 700 });
    tell("response.done", { response: { id: "r", status: "completed", output: [], metadata: { timeline } } });
    same("voice to voice", voiceToVoice(entry), 760);
  }

  {
    const { session, tell, entry } = answer();
    tell("output_audio_buffer.started", { response_id: "r" });
    session.tick(1200);
    same("a barge-in", tell("input_audio_buffer.speech_started", { item_id: "u" }, 1250), [{ stop: true }]);
    same("cuts at the last whole word", playedText(entry), "One two");
    const output = [{ id: "i", content: [{ transcript: "One two three" }] }];
    same("the server counts", tell("response.done", { response: { id: "r", status: "cancelled", output } }), []);
    same("the words", playedText(entry), "One two three");
    tell("output_audio_buffer.cleared", { response_id: "r" });
    same("and nobody else", playedText(entry), "One two three");
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
    const memories = session.history().map(({ item }) => [item.role, item.content[0].text]);
    same("what is remembered", memories, [
      ["assistant", "One two"],
      ["user", "Hello"],
    ]);
  }

  {
    const session = new Session();
    const event = { type: "antiphon.playback", state: "ducked" };
    same("over a WebSocket the page plays", session.receive(event, 0), [{ playback: "ducked" }]);
  }

  {
    const session = new Session();
    for (const delta of ["Let me ", "think."]) {
      session.receive({ type: "antiphon.thoughts.delta", response_id: "r", delta }, 0);
    }
    same(
      "thoughts come first",
      session.entries.map(({ thoughts, text }) => [thoughts, text]),
      [["Let me think.", ""]],
    );
    session.receive({ type: "response.output_item.added", response_id: "r", item: { type: "message", id: "i" } }, 0);
    session.receive({ type: "response.output_audio_transcript.delta", item_id: "i", delta: "Yes." }, 0);
    same(
      "then their answer",
      session.entries.map(({ thoughts, text }) => [thoughts, text]),
      [["Let me think.", "Yes."]],
    );
  }

  return complaints;
})();
