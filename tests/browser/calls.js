// Tests of calls with stand-ins for network, audio or timers. The result is a list of complaints.

(async () => {
  const modules = ["call/call", "audio/audio-io", "errors", "call/webrtc-transport", "call/websocket-transport"];
  const [{ Call }, { AudioIO }, { CallError }, { WebRtcTransport }, { WebSocketTransport }] = await Promise.all(
    modules.map((module) => import(`/${module}.js`)),
  );
  const opener = WebSocketTransport.prototype.open;
  const complaints = [];

  function same(what, got, wanted) {
    const [one, other] = [got, wanted].map((value) => JSON.stringify(value));
    if (one !== other) complaints.push(`${what}: ${one} instead of ${other}`);
  }

  /** Stand-in timers that fire while the test lets time `pass`. */
  class Timers {
    #now = 0;
    #last = 0;
    #waiting = new Map();

    /** The functions of the window that they replace. */
    functions = {
      setTimeout: (go, ms) => {
        this.#waiting.set(++this.#last, { go, at: this.#now + ms });
        return this.#last;
      },
      clearTimeout: (id) => this.#waiting.delete(id),
    };

    pass(ms) {
      this.#now += ms;
      for (const [id, { go, at }] of [...this.#waiting]) if (at <= this.#now && this.#waiting.delete(id)) go();
    }
  }

  /** Run `scene` while objects have other members: pairs of an object and its replacements. */
  async function replaced(pairs, scene) {
    const own = pairs.map(([object, members]) => [
      object,
      Object.fromEntries(Object.keys(members).map((name) => [name, object[name]])),
    ]);
    for (const [object, members] of pairs) Object.assign(object, members);
    await scene();
    for (const [object, members] of own) Object.assign(object, members);
  }

  /** A stand-in RTCPeerConnection, whose states the test sets. */
  class Connection {
    iceGatheringState = "complete";
    localDescription = { sdp: "" };
    iceConnectionState = "new";
    oniceconnectionstatechange = () => {};
    channel = { onopen() {}, onclose() {} };

    addTrack() {}
    addEventListener() {}
    setLocalDescription() {}
    setRemoteDescription() {}
    close() {}

    createDataChannel() {
      return this.channel;
    }

    /** Open or close the channel, or change the state of ICE. */
    become(state) {
      this.iceConnectionState = state;
      if (state === "open") this.channel.onopen();
      else if (state === "closed") this.channel.onclose();
      else this.oniceconnectionstatechange();
    }
  }

  /** @type {[states: string[], kind: string | null][]} */
  const endings = [
    [[], "webrtc-blocked"],
    [["failed"], "webrtc-blocked"],
    [["connected"], "webrtc-blocked"], // and the channel never opens
    [["connected", "disconnected"], "webrtc-blocked"],
    [["connected", "closed"], "webrtc-blocked"],
    [["connected", "open"], null],
    [["connected", "open", "disconnected"], "unreachable"],
    [["connected", "open", "disconnected", "connected"], null],
    [["connected", "open", "failed"], "unreachable"],
    [["connected", "open", "closed"], "unreachable"],
  ];
  for (const [states, kind] of endings) {
    const timers = new Timers();
    let connection;
    const network = {
      fetch: async () => new Response("{}", { headers: { Location: "/v1/realtime/calls/1" } }),
      RTCPeerConnection: class extends Connection {
        constructor() {
          super();
          connection = this;
        }
      },
    };
    await replaced([[window, { ...timers.functions, ...network }]], async () => {
      const transport = new WebRtcTransport(new URL("/v1/realtime", document.baseURI), "", null);
      let trouble = null;
      transport.onClose = (why) => (trouble = why.kind);
      await transport.open();
      for (const state of states) connection.become(state);
      timers.pass(60_000);
      same(`a connection that is ${states.join(", ") || "never answered"}`, trouble, kind);
    });
  }

  {
    const timers = new Timers();
    const options = { connection: "automatic", endpoint: new URL(document.baseURI), key: "", devices: {}, session: {} };
    const opened = [];
    const open = function () {
      opened.push(this);
    };
    const lose = (kind) => opened.at(-1).onClose(new CallError(kind));
    const ways = () => opened.map(({ name }) => name);
    const audio = { playStream() {}, setPlayback() {}, stop() {}, close() {}, hasMicrophone: true };
    const standIns = [
      [window, timers.functions],
      [AudioIO, { open: async () => audio }],
      [WebRtcTransport.prototype, { open }],
      [WebSocketTransport.prototype, { open }],
    ];
    await replaced(standIns, async () => {
      const call = new Call(options);
      await call.start();
      lose("webrtc-blocked");
      same("where WebRTC is blocked", ways(), ["webrtc", "websocket"]);
      for (const longestMs of [625, 1250, 2500]) {
        lose("unreachable");
        timers.pass(longestMs);
      }
      same("the call stays with the WebSocket", ways().slice(2), ["websocket", "websocket", "websocket"]);
      call.end();
      await call.start();
      same("the next one tries WebRTC again", ways().slice(5), ["webrtc"]);
      lose("unreachable");
      timers.pass(625);
      same("and again as soon as the first did", ways().slice(6), ["webrtc"]);
      call.end();
    });
  }

  {
    const sent = [];
    const opened = [];
    const microphones = [];
    const audio = { playStream() {}, setPlayback() {}, stop() {}, close() {}, hasMicrophone: false };
    const openAudio = async (_, withMicrophone) => {
      microphones.push(withMicrophone);
      return audio;
    };
    const open = function () {
      opened.push(this);
    };
    const sendEvent = (event) => sent.push(event);
    const standIns = [
      [AudioIO, { open: openAudio }],
      [WebSocketTransport.prototype, { open, sendEvent }],
    ];
    await replaced(standIns, async () => {
      const options = {
        connection: "websocket",
        endpoint: new URL(document.baseURI),
        key: "",
        devices: {},
        session: {},
      };
      const call = new Call(options);
      call.write("Hello");
      call.write("Are you there?");
      await new Promise((resolve) => setTimeout(resolve));
      same(
        "typed text opens no microphone",
        [microphones, call.hasMicrophone, call.phase],
        [[false], false, "connecting"],
      );
      opened[0].onClose(new CallError("key-needed"));
      same("without a key it waits", [call.phase, sent], ["idle", []]);
      await call.retry();
      opened[1].onEvent({ type: "session.created", session: {} });
      const types = sent.map(({ type, item }) => item?.content[0].text ?? type);
      const turns = ["Hello", "response.create", "Are you there?", "response.create"];
      same("and is sent when the call is live", types, ["session.update", ...turns]);
      same("still without a microphone", microphones, [false, false]);
      call.end();
    });
  }

  {
    const sent = [];
    const opened = [];
    const timers = new Timers();
    const audio = {
      playStream() {},
      setPlayback() {},
      stop() {},
      close() {},
      play() {},
      end() {},
      hasMicrophone: true,
    };
    const open = function () {
      opened.push(this);
    };
    const standIns = [
      [window, timers.functions],
      [AudioIO, { open: async () => audio }],
      [WebSocketTransport.prototype, { open, sendEvent: (event) => sent.push(event) }],
    ];
    await replaced(standIns, async () => {
      const endpoint = new URL("/v1/realtime?model=antiphon", document.baseURI);
      const call = new Call({ connection: "websocket", endpoint, key: "", devices: {}, session: {} });
      await call.start();
      const asked = [];
      const { WebSocket } = window;
      const tell = (event) => opened.at(-1).onEvent(event);
      const hello = (id, token) => {
        tell({ type: "session.created", session: { id } });
        tell({ type: "antiphon.resumption", token });
      };
      const lose = () => {
        opened.at(-1).onClose(new CallError("unreachable"));
        sent.length = 0;
        timers.pass(20_000);
      };
      hello("sess_1", "first");
      tell({ type: "response.created", response: { id: "r" } });
      tell({ type: "response.output_item.added", response_id: "r", item: { type: "message", id: "i" } });
      tell({ type: "response.output_audio_transcript.delta", item_id: "i", delta: "One two" });
      opened.at(-1).onAudio({ item: "i", durationMs: 1000, pcm: null });
      audio.onPlayback({ type: "position", item: "i", playedMs: 600 });
      lose();
      hello("sess_1", "first");
      const truncation = { type: "conversation.item.truncate", item_id: "i", content_index: 0, audio_end_ms: 600 };
      same("a resumed session is told what was heard, and no history", sent.slice(1), [truncation]);
      lose();
      hello("sess_2", "second");
      const words = sent.slice(1).map(({ item }) => item?.content[0].text);
      same("a new one gets the history", words, ["One"]);
      window.WebSocket = /** @type {any} */ (
        class {
          constructor(address) {
            asked.push(address.searchParams.get("resume"));
          }
          close() {}
        }
      );
      WebSocketTransport.prototype.open = opener;
      lose();
      call.restart();
      window.WebSocket = WebSocket;
      same("the token goes with the next connection, and not with a new conversation", asked, ["second", "1"]);
      call.end();
    });
  }

  {
    const sound = await AudioIO.open({ deviceId: "", speakerId: "", volume: 1 }, true);
    const { track } = sound;
    const other = { stop: () => (other.stopped = true) };
    // No stream that an audio context takes.
    const getUserMedia = async () => ({ getTracks: () => [other], getAudioTracks: () => [other] });
    await replaced([[navigator.mediaDevices, { getUserMedia }]], async () => {
      const trouble = await sound.chooseMicrophone("other").catch((error) => error);
      same("a microphone that can't be changed to", [trouble.kind, other.stopped], ["microphone-locked", true]);
      same("leaves the one that was there", [sound.track === track, track.readyState], [true, "live"]);
    });
    let late;
    const asked = navigator.mediaDevices.getUserMedia({ audio: true });
    await replaced([[navigator.mediaDevices, { getUserMedia: async () => (late = await asked) }]], async () => {
      const choosing = sound.chooseMicrophone("");
      sound.close();
      await choosing;
      const [track] = late.getTracks();
      same("one that is allowed when the call is over", [sound.track === track, track.readyState], [false, "ended"]);
    });
  }

  return complaints;
})();
