// Calls whose network, sound or timers are stood in for: what the page does not do as it should, as a list of complaints.

(async () => {
  const modules = ["call", "sound", "trouble", "webrtc", "websocket"];
  const [{ Call }, { Sound }, { Trouble }, { WebRtcTransport }, { WebSocketTransport }] = await Promise.all(
    modules.map((module) => import(`/${module}.js`)),
  );
  const complaints = [];

  function same(what, got, wanted) {
    const [one, other] = [got, wanted].map((value) => JSON.stringify(value));
    if (one !== other) complaints.push(`${what}: ${one} instead of ${other}`);
  }

  /** Timers that go off while the test lets time `pass`. */
  class Timers {
    #now = 0;
    #last = 0;
    #waiting = new Map();

    /** The functions of the window that they stand in for. */
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

  /** Run `scene` while objects have other members: pairs of an object and what it has instead. */
  async function replaced(pairs, scene) {
    const own = pairs.map(([object, members]) => [
      object,
      Object.fromEntries(Object.keys(members).map((name) => [name, object[name]])),
    ]);
    for (const [object, members] of pairs) Object.assign(object, members);
    await scene();
    for (const [object, members] of own) Object.assign(object, members);
  }

  /** An RTCPeerConnection that comes as far as it is told. */
  class Connection {
    iceGatheringState = "complete";
    localDescription = { sdp: "" };
    channel = {};

    addTrack() {}
    addEventListener() {}
    setLocalDescription() {}
    setRemoteDescription() {}
    close() {}

    createDataChannel() {
      return this.channel;
    }

    /** Either the channel opens or closes, or ICE comes to another state. */
    become(state) {
      this.iceConnectionState = state;
      if (state === "open") this.channel.onopen();
      else if (state === "closed") this.channel.onclose();
      else this.oniceconnectionstatechange();
    }
  }

  for (const [states, kind] of [
    [[], "blocked"],
    [["failed"], "blocked"],
    [["connected"], "blocked"], // and the channel never opens
    [["connected", "disconnected"], "blocked"],
    [["connected", "closed"], "blocked"],
    [["connected", "open"], null],
    [["connected", "open", "disconnected"], "gone"],
    [["connected", "open", "disconnected", "connected"], null],
    [["connected", "open", "failed"], "gone"],
    [["connected", "open", "closed"], "gone"],
  ]) {
    const timers = new Timers();
    let connection;
    const network = {
      fetch: async () => new Response("{}", { headers: { Location: "/v1/realtime/calls/1" } }),
      RTCPeerConnection: function () {
        return (connection = new Connection());
      },
    };
    await replaced([[window, { ...timers.functions, ...network }]], async () => {
      const transport = new WebRtcTransport(new URL("/v1/realtime", document.baseURI), "", null);
      let trouble = null;
      transport.onClose = (why) => (trouble = why.kind);
      await transport.open();
      states.forEach((state) => connection.become(state));
      timers.pass(60_000);
      same(`a connection that is ${states.join(", ") || "never answered"}`, trouble, kind);
    });
  }

  {
    const timers = new Timers();
    const opened = [];
    const open = function () {
      opened.push(this);
    };
    const lose = (kind) => opened.at(-1).onClose(new Trouble(kind));
    const ways = () => opened.map(({ name }) => name);
    const sound = { listen() {}, follow() {}, stop() {}, close() {} };
    const standIns = [
      [window, timers.functions],
      [Sound, { open: async () => sound }],
      [WebRtcTransport.prototype, { open }],
      [WebSocketTransport.prototype, { open }],
    ];
    await replaced(standIns, async () => {
      const call = new Call({ connection: "automatic", endpoint: new URL(document.baseURI), key: "" });
      await call.start();
      lose("blocked");
      same("where WebRTC is blocked", ways(), ["webrtc", "websocket"]);
      for (const longestMs of [625, 1250, 2500]) {
        lose("gone");
        timers.pass(longestMs);
      }
      same("the call stays with the WebSocket", ways().slice(2), ["websocket", "websocket", "websocket"]);
      call.end();
      await call.start();
      same("the next one tries WebRTC again", ways().slice(5), ["webrtc"]);
      lose("gone");
      timers.pass(625);
      same("and again as soon as the first did", ways().slice(6), ["webrtc"]);
      call.end();
    });
  }

  {
    const sound = await Sound.open("", "");
    const { track } = sound;
    const other = { stop: () => (other.stopped = true) };
    // No stream that an audio context takes.
    const getUserMedia = async () => ({ getTracks: () => [other], getAudioTracks: () => [other] });
    await replaced([[navigator.mediaDevices, { getUserMedia }]], async () => {
      const trouble = await sound.choose("other").catch((error) => error);
      same("a microphone that can't be changed to", [trouble.kind, other.stopped], ["other-microphone", true]);
      same("leaves the one that was there", [sound.track === track, track.readyState], [true, "live"]);
    });
    let late;
    const asked = navigator.mediaDevices.getUserMedia({ audio: true });
    await replaced([[navigator.mediaDevices, { getUserMedia: async () => (late = await asked) }]], async () => {
      const choosing = sound.choose("");
      sound.close();
      await choosing;
      const [track] = late.getTracks();
      same("one that is allowed when the call is over", [sound.track === track, track.readyState], [false, "ended"]);
    });
  }

  return complaints;
})();
