// Tests of what the page keeps of a conversation: entries, recordings, timing in words, exports. The result is a list of
// complaints.

(async () => {
  const modules = [
    "audio/wav",
    "call/entries",
    "call/recordings",
    "call/session",
    "export/session-page",
    "export/transcript",
    "view/timing/format",
    "view/timing/stages",
    "view/settings/voice-names",
    "view/welcome",
  ];
  const [
    { wavFile },
    { agentEntry, userEntry },
    { Recordings },
    { Session },
    { sessionPage },
    { transcript },
    { formatDuration },
    { longestStep, waterfallRows },
    { nameOfVoice, soundOfVoice },
    { privacyNote },
  ] = await Promise.all(modules.map((module) => import(`/${module}.js`)));
  const BLOCK = 480; // samples of 20 ms
  const complaints = [];

  function same(what, got, wanted) {
    const [one, other] = [got, wanted].map((value) => JSON.stringify(value));
    if (one !== other) complaints.push(`${what}: ${one} instead of ${other}`);
  }

  /** A session, and a function that passes it server events. */
  function begun() {
    const session = new Session();
    const tell = (type, event = {}, now = 0) => session.receive({ type, ...event }, now);
    return { session, tell };
  }

  /** `count` blocks of 20 ms, the first of which holds the value `first`, the next one more. */
  function blocks(first, count) {
    return Array.from({ length: count }, (_, at) => new Int16Array(BLOCK).fill(first + at));
  }

  /** The first and the last value of a clip, and its length in blocks. */
  function extent(clip) {
    return clip && [clip[0], clip[clip.length - 1], clip.length / BLOCK];
  }

  function finished(text) {
    const entry = agentEntry("i", "r", 2000, true);
    entry.words = text.split(" ").map((word) => ({ text: word, atMs: 0 }));
    entry.state = "finished";
    entry.stages = { speech_ended: 0, turn_decided: 300, first_audio: 450, first_packet: 460 };
    entry.arrivedAt = 1000;
    entry.startedAt = 1040;
    return entry;
  }

  // Speech over an answer

  {
    const { session, tell } = begun();
    tell("response.created", { response: { id: "r" } });
    tell("response.output_item.added", { response_id: "r", item: { type: "message", id: "i" } });
    tell("response.output_audio_transcript.delta", { item_id: "i", delta: "One two" });
    session.audio("i", 1000, 0);
    tell("antiphon.playback", { state: "ducked" }, 100);
    const shown = () => session.entries.map(({ role, text }) => [role, text]);
    same("speech over an answer does not end it", session.isAnswering, true);
    same(
      "speech over an answer",
      [session.floor, shown()],
      [
        "user",
        [
          ["agent", "One two"],
          ["user", ""],
        ],
      ],
    );
    tell("antiphon.playback", { state: "paused" }, 200);
    tell("antiphon.overheard", { text: " Yeah." }, 250);
    same("its words", shown()[1], ["user", "Yeah."]);
    tell("antiphon.playback", { state: "full" }, 300);
    same("a backchannel leaves no trace", [session.floor, shown()], ["agent", [["agent", "One two"]]]);
    tell("antiphon.playback", { state: "ducked" }, 400);
    tell("antiphon.overheard", { text: "Stopping" }, 450);
    tell("input_audio_buffer.speech_started", { item_id: "u" }, 500);
    tell("antiphon.playback", { state: "full" }, 500);
    same("words stay until the turn has its own", shown()[1], ["user", "Stopping"]);
    tell("conversation.item.input_audio_transcription.delta", { item_id: "u", delta: "Sto" }, 600);
    same("as many as those", shown()[1], ["user", "Stopping"]);
    tell("conversation.item.input_audio_transcription.delta", { item_id: "u", delta: "p it, please" }, 600);
    same("a barge-in keeps its place", shown(), [
      ["agent", "One two"],
      ["user", "Stop it, please"],
    ]);
    same("from its beginning", session.entries[1].at, 400);
    same("without the answer", session.disconnect(), []);
  }

  // Tools

  {
    const { session, tell } = begun();
    const call = { type: "function_call", id: "f", call_id: "c", name: "get_current_time", arguments: "{}" };
    tell("response.created", { response: { id: "r" } });
    const effects = tell("response.done", { response: { id: "r", status: "completed", output: [call] } }, 10);
    const sent = effects.map(({ send }) => send);
    same(
      "a tool's result is sent, and an answer requested",
      sent.map(({ type }) => type),
      ["conversation.item.create", "response.create"],
    );
    same("for its call", [sent[0].item.type, sent[0].item.call_id], ["function_call_output", "c"]);
    same("with the time", Object.keys(JSON.parse(sent[0].item.output)), ["date", "time", "time_zone"]);
    const [entry] = session.entries;
    same("it leaves a trace", [entry.role, entry.name, entry.output], ["tool", call.name, sent[0].item.output]);
    same(
      "and is remembered",
      session.history().map(({ item }) => item.type),
      ["function_call", "function_call_output"],
    );
    const unknown = { ...call, name: "other" };
    const [{ send }] = tell("response.done", { response: { id: "s", status: "completed", output: [unknown] } });
    same("an unknown tool", JSON.parse(send.item.output), { error: "there is no tool other" });
    const cancelled = { response: { id: "t", status: "cancelled", output: [call] } };
    same("a cancelled call does not run", tell("response.done", cancelled), []);
  }

  // Recordings

  {
    const recordings = new Recordings();
    recordings.connect();
    const speak = (first, count) => {
      for (const block of blocks(first, count)) recordings.addMicrophone(block);
    };
    const tell = (type, event) => recordings.receive({ type: `input_audio_buffer.${type}`, ...event });
    speak(0, 100); // 2 s
    tell("speech_started", { item_id: "u", audio_start_ms: 1000 });
    speak(100, 50);
    tell("speech_stopped", { item_id: "u", audio_end_ms: 2500 });
    const entry = userEntry("u", 0);
    // The first report came 1 s late and the second 0.5 s: the server's clock is 0.5 s behind the tape.
    same("a turn", extent(recordings.clip(entry)), [80, 149, 70]);
    same("another one", recordings.clip(userEntry("v", 0)), null);
    same("typed text", recordings.clip(userEntry(null, 0)), null);
    recordings.connect();
    speak(150, 10);
    tell("speech_stopped", { item_id: "w", audio_end_ms: 100 });
    same("a turn of another connection", recordings.clip(userEntry("w", 0)), null);
    speak(0, 1000);
    tell("speech_started", { item_id: "x", audio_start_ms: 100 });
    tell("speech_stopped", { item_id: "x", audio_end_ms: 20_100 });
    const clip = recordings.clip(userEntry("x", 0));
    same("of a long silence only the end is kept", clip.length / BLOCK <= 201, true);
  }

  {
    const recordings = new Recordings();
    const play = (first, count) => {
      for (const block of blocks(first, count)) recordings.addTrack(block);
    };
    const tell = (type) => recordings.receive({ type: `output_audio_buffer.${type}`, response_id: "r" });
    play(0, 40);
    tell("started");
    play(40, 20);
    tell("stopped");
    const entry = agentEntry("i", "r", 0, true);
    same("an answer that still plays", recordings.clip(entry), null);
    play(60, 40);
    same("an answer by track, with 300 ms at both ends", extent(recordings.clip(entry)), [25, 74, 50]);
  }

  {
    const recordings = new Recordings();
    for (const block of blocks(1, 50)) recordings.addAnswer("i", block);
    const entry = agentEntry("i", "r", 0, false);
    same("an answer over a WebSocket", extent(recordings.clip(entry)), [1, 50, 50]);
    entry.state = "interrupted";
    entry.playedMs = 200;
    same("only what was played of it", extent(recordings.clip(entry)), [1, 10, 10]);
    for (let item = 0; item < 30; item++) recordings.addAnswer(`long ${item}`, new Int16Array(60 * 24_000));
    same("the oldest are dropped", recordings.clip(entry), null);
    const kept = Array.from({ length: 30 }, (_, item) => recordings.clip(agentEntry(`long ${item}`, "r", 0, false)));
    same("20 minutes are kept", kept.filter(Boolean).length, 20);
  }

  {
    const file = wavFile(Int16Array.of(0, 1, -1));
    const text = String.fromCharCode(...file);
    same("a WAV file", [text.slice(0, 4), text.slice(8, 16), text.slice(36, 40)], ["RIFF", "WAVEfmt ", "data"]);
    same("its samples", [...new Int16Array(file.buffer.slice(44))], [0, 1, -1]);
    const audio = await new OfflineAudioContext(1, 1, 24_000).decodeAudioData(file.buffer);
    same("as the browser reads it", [audio.length, audio.sampleRate], [3, 24_000]);
  }

  // In words

  {
    const rows = waterfallRows([
      ["speech_ended", 0],
      ["pause_seen", 100],
      ["turn_decided", 420.4],
      ["first_packet", 500],
    ]);
    same(
      "the rows",
      rows.map(({ name, fromMs, toMs }) => [name, fromMs, toMs]),
      [
        ["pause detected", 0, 100],
        ["turn decided", 100, 420.4],
        ["first audio sent", 420.4, 500],
      ],
    );
    same("the longest step", longestStep(rows), "Longest step: making sure that you had finished, 320 of 500 ms.");
    same("of nothing", longestStep([]), "");
  }

  for (const [ms, shown] of [
    [999, "0:00"],
    [65_000, "1:05"],
    [3_725_000, "1:02:05"],
  ]) {
    same(`a call of ${ms} ms`, formatDuration(ms), shown);
  }

  for (const [id, name] of [
    ["af_heart", "Heart"],
    ["en_US-joe-medium", "Joe"],
    ["en_GB-jenny_dioco-medium", "Jenny Dioco"],
    ["alloy", "alloy"],
  ]) {
    same(`the voice ${id}`, nameOfVoice(id), name);
  }
  same("a voice that is known", soundOfVoice({ language: "en-GB", sex: "male" }), "male, British English");
  same("a voice of which only the language is", soundOfVoice({ language: "pt-BR", sex: "" }), "Brazilian Portuguese");
  same("a voice of which nothing is", soundOfVoice({ language: "", sex: "" }), "");
  same("a voice that the server does not describe", soundOfVoice(undefined), "");

  for (const [hosts, page, note] of [
    [[], "localhost", "Everything runs on this computer. Nothing you say leaves it."],
    [[], "voice.example", "Everything runs on voice.example. Nothing you say leaves it."],
    [["a.example"], "127.0.0.1", "Runs on this computer, and sends what you say to a.example."],
    [["a.example", "b.example"], "x", "Runs on x, and sends what you say to a.example and b.example."],
  ]) {
    same(`privacy at ${page} with ${hosts.length} other hosts`, privacyNote({ sends_to: hosts }, page), note);
  }

  {
    const session = new Session();
    const heard = (/** @type {string} */ id, /** @type {string} */ transcript) => ({
      id,
      type: "message",
      role: "user",
      content: [{ type: "input_audio", transcript }],
    });
    for (const id of ["u1", "u2"]) session.receive({ type: "input_audio_buffer.speech_started", item_id: id }, 0);
    session.receive({ type: "conversation.item.input_audio_transcription.delta", item_id: "u1", delta: "How many" }, 0);
    session.disconnect();
    same("a turn without words is gone with its connection", session.entries.length, 1);
    const items = [heard("u0", "Yeah."), heard("u1", "How many legs?"), heard("u2", "And arms?"), heard("u3", null)];
    session.receive({ type: "antiphon.resumption", token: "t", resumed: true, items }, 1);
    const texts = session.entries.map(({ text, state }) => `${text} ${state}`);
    same("a resumed session has its words", texts, ["How many legs? final", "And arms? final"]);
    session.receive({ type: "antiphon.resumption", token: "t", resumed: false, items: [heard("u9", "No.")] }, 2);
    same("a new one leaves the page as it is", session.entries.length, 2);
  }

  // Exports

  {
    const asked = { ...userEntry("u", 1000, "Is 1 < 2 & why?"), state: "final" };
    const answered = { ...finished("Yes it <b>is</b>"), thoughts: "Of course." };
    const cut = { ...finished("So I think that"), state: "interrupted", kept: 2, stages: null };
    const tool = {
      role: "tool",
      state: "finished",
      item: "f",
      at: 0,
      callId: "c",
      name: "look",
      input: "{}",
      output: "1",
    };
    const entries = [asked, answered, tool, cut];
    const clip = (entry) => (entry.role === "user" ? Int16Array.of(1, 2, 3) : null);
    const html = sessionPage(entries, clip);
    const page = new DOMParser().parseFromString(html, "text/html");
    const texts = (selector) => [...page.querySelectorAll(selector)].map(({ textContent }) => textContent.trim());
    same("a page has no script", page.querySelectorAll("script, link, img, b").length, 0);
    const answer = (text) => text.replace(/\s+/g, " ");
    same("its words", texts("section > p").map(answer), [asked.text, "Yes it <b>is</b>", "So I think that"]);
    same("those that were not played", texts("del"), ["think that"]);
    same("its tool", texts(".tool code"), ["look({})", "1"]);
    const [audio] = page.querySelectorAll("audio");
    const samples = (await decoded(audio.src)).length;
    same("its sound", [page.querySelectorAll("audio").length, samples], [1, 3]);
    same("its timing", texts("table th").length, 4);
    const stages = { turn_decided: 300, first_audio: 450, first_packet: 460, played: 500 };
    const summary = `Answered after 0.50 s. ${longestStep(waterfallRows(Object.entries(stages)))}`;
    same("in words", texts("summary").includes(summary), true);
    same("its thoughts", texts("details p")[0], "Of course.");
    const lines = transcript(entries)
      .trim()
      .split("\n")
      .slice(2)
      .map((line) => line.replace(/^\[.*?\] /, ""));
    same("as text", lines, [
      "You: Is 1 < 2 & why?",
      "Antiphon: Yes it <b>is</b> (after 0.50 s)",
      "Antiphon called look({}): 1",
      "Antiphon: So I [interrupted; not played: think that]",
    ]);
  }

  /** The audio of a data URL, decoded; the page's policy lets nothing fetch it. */
  function decoded(url) {
    const bytes = Uint8Array.from(atob(url.split(",")[1]), (character) => character.charCodeAt(0));
    return new OfflineAudioContext(1, 1, 24_000).decodeAudioData(bytes.buffer);
  }

  return complaints;
})();
