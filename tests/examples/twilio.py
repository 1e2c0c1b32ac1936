"""A stand-in for Twilio: it speaks the frames of Media Streams to a bridge, and plays what comes back by the clock."""

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from audio.pcm import Pcm, silence
from realtime.protocol.audio_format import AudioFormat

RATE = 8_000
_MULAW = AudioFormat("audio/pcmu", RATE)
_FRAME = RATE // 50
_PATIENCE_S = 60


class StandInForTwilio:
    """One call. Twilio's frames both ways: connected, start, media, stop; media, mark, clear."""

    stream_id = "MZ00000000000000000000000000000001"

    def __init__(self, socket: ClientConnection) -> None:
        self.heard: list[Pcm] = []
        """What the caller has heard, frame by frame."""
        self.cleared = 0
        """How often the bridge had audio dropped that was not played."""
        self._socket = socket
        self._to_say: deque[bytes] = deque()
        self._to_play: deque[bytes | str] = deque()
        """Bytes of mu-law, and the names of marks between them."""
        self._sent = 0
        self._ticked = asyncio.Condition()

    def say(self, pcm: Pcm) -> None:
        """What the caller says next, at 8 kHz."""
        padded = np.pad(pcm, (0, -len(pcm) % _FRAME))
        self._to_say.extend(_MULAW.encode(padded[at : at + _FRAME]) for at in range(0, len(padded), _FRAME))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE_S), self._ticked:
            await self._ticked.wait_for(condition)

    async def begin(self) -> None:
        await self._send("connected", protocol="Call", version="1.0.0")
        media = {"encoding": "audio/x-mulaw", "sampleRate": RATE, "channels": 1}
        start = {"streamSid": self.stream_id, "callSid": "CA1", "tracks": ["inbound"], "mediaFormat": media}
        await self._send("start", start=start)

    async def tick(self) -> None:
        """20 ms each, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        quiet = _MULAW.encode(silence(_FRAME))
        while True:
            payload = base64.b64encode(self._to_say.popleft() if self._to_say else quiet).decode()
            await self._send("media", media={"track": "inbound", "payload": payload})
            await self._play()
            async with self._ticked:
                self._ticked.notify_all()
            due += _FRAME / RATE
            await asyncio.sleep(due - loop.time())

    async def receive(self) -> None:
        async for message in self._socket:
            frame = json.loads(message)
            assert frame["streamSid"] == self.stream_id
            match frame["event"]:
                case "media":
                    self._to_play.append(base64.b64decode(frame["media"]["payload"], validate=True))
                case "mark":
                    self._to_play.append(frame["mark"]["name"])
                case "clear":
                    self.cleared += 1
                    marks = [entry for entry in self._to_play if isinstance(entry, str)]
                    self._to_play.clear()
                    for name in marks:
                        await self._send("mark", mark={"name": name})
                case other:
                    raise AssertionError(f"Twilio takes no {other!r}")

    async def hang_up(self) -> None:
        await self._send("stop", stop={"callSid": "CA1"})

    async def _play(self) -> None:
        frame = b""
        while self._to_play and len(frame) < _FRAME:
            entry = self._to_play.popleft()
            if isinstance(entry, str):
                await self._send("mark", mark={"name": entry})
                continue
            room = _FRAME - len(frame)
            frame += entry[:room]
            if entry[room:]:
                self._to_play.appendleft(entry[room:])
        self.heard.append(_MULAW.decode(frame) if frame else silence(_FRAME))

    async def _send(self, event: str, **content: object) -> None:
        self._sent += 1
        frame = {"event": event, "sequenceNumber": str(self._sent), "streamSid": self.stream_id, **content}
        await self._socket.send(json.dumps(frame))


@asynccontextmanager
async def call(url: str) -> AsyncIterator[StandInForTwilio]:
    """A call that Twilio connects to the bridge at `url`, until it is hung up."""
    async with connect(url) as socket:
        twilio = StandInForTwilio(socket)
        await twilio.begin()
        ticking, receiving = asyncio.create_task(twilio.tick()), asyncio.create_task(twilio.receive())
        try:
            yield twilio
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])
            await twilio.hang_up()
            await receiving
