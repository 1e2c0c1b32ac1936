"""A client that stays in its conversation: it comes back with its token when the connection is lost."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterable, Set
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from audio.pcm import Pcm
from realtime.protocol.audio_format import AudioFormat

_WIRE = AudioFormat("audio/pcm", 24_000)
_BLOCK_S = 0.1
_AGAIN_S = 0.1
_HANDSHAKE_S = 10
_PATIENCE_S = 600
"""So long only where something is wrong: slow machines take a minute for an answer."""


class Talker:
    """One conversation, over as many connections as it takes."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._token = "1"
        self._connection: ClientConnection | None = None
        self._to_say: asyncio.Queue[bytes] = asyncio.Queue()
        self._live = asyncio.Event()
        self._happened = asyncio.Condition()
        self.outages_s: list[float] = []
        """How long each lost connection was missed, until the session was there again."""
        self.losses: list[str] = []
        """Why each connection ended, or could not be made."""
        self.resumed: list[bool] = []
        """For each connection but the first, whether it continued the session."""
        self.items: dict[str, str] = {}
        """What was said, by the ids of the items."""
        self.done: list[dict[str, Any]] = []
        """The responses that ended."""
        self.arrived: list[float] = []
        """When audio arrived, by the loop's clock."""

    @property
    def place(self) -> str:
        """The replica that has the session."""
        return self._token.partition(".")[2]

    def say(self, pcm: Pcm) -> None:
        """Say `pcm`, at 24 kHz, in real time. Before and after it nothing is sent, which counts as silence."""
        step = round(_BLOCK_S * _WIRE.rate)
        for at in range(0, len(pcm), step):
            self._to_say.put_nowait(_WIRE.encode(pcm[at : at + step]))

    async def answered(self, turns: int) -> None:
        """Wait until that many responses have ended."""
        async with asyncio.timeout(_PATIENCE_S), self._happened:
            await self._happened.wait_for(lambda: len(self.done) >= turns)

    async def live(self, connections: int) -> None:
        """Wait until the session is there on its connection of that number, from 1."""
        async with asyncio.timeout(_PATIENCE_S), self._happened:
            await self._happened.wait_for(lambda: len(self.resumed) + 1 >= connections and self._live.is_set())

    def lose_connection(self) -> None:
        """Lose the connection as a network would."""
        assert self._connection is not None
        self._live.clear()
        self._connection.transport.abort()

    async def run(self) -> None:
        lost_at: float | None = None
        while True:
            try:
                url = f"ws://{self._address}/v1/realtime?resume={self._token}"
                async with connect(url, proxy=None, open_timeout=_HANDSHAKE_S, ping_interval=None) as connection:
                    self._connection = connection
                    speaking = asyncio.create_task(self._speak(connection))
                    try:
                        async for message in connection:
                            event = json.loads(message)
                            if event["type"] == "antiphon.resumption" and lost_at is not None:
                                self.outages_s.append(time.monotonic() - lost_at)
                                self.resumed.append(event["resumed"])
                                lost_at = None
                            await self._receive(event)
                    finally:
                        speaking.cancel()
                        await asyncio.wait([speaking])
                    self.losses.append(f"{connection.close_code} {connection.close_reason}")
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as error:
                self.losses.append(repr(error))
            self._live.clear()
            lost_at = lost_at or time.monotonic()
            await asyncio.sleep(_AGAIN_S)

    async def _speak(self, connection: ClientConnection) -> None:
        await self._live.wait()
        update = {"type": "realtime", "audio": {"input": {"transcription": {"model": "antiphon"}}}}
        with suppress(ConnectionClosed):
            await connection.send(json.dumps({"type": "session.update", "session": update}))
            while True:
                audio = base64.b64encode(await self._to_say.get()).decode()
                await connection.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
                await asyncio.sleep(_BLOCK_S)

    async def _receive(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "antiphon.resumption":
                self._token = event["token"]
                self.items |= {item["id"]: _words(item) for item in event["items"]}
                self._live.set()
            case "conversation.item.input_audio_transcription.completed":
                self.items[event["item_id"]] = event["transcript"]
            case "response.output_audio.delta":
                self.arrived.append(asyncio.get_running_loop().time())
            case "response.done":
                self.done.append(event["response"])
                self.items |= {item["id"]: _words(item) for item in event["response"]["output"]}
        async with self._happened:
            self._happened.notify_all()


@asynccontextmanager
async def talkers(address: str, count: int, places: Set[str] = frozenset()) -> AsyncIterator[list[Talker]]:
    """So many conversations, and more until each of `places` has one; they end with the context."""
    everybody: list[Talker] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        while len(everybody) < count or places - {talker.place for talker in everybody}:
            talker = Talker(address)
            everybody.append(talker)
            tasks.append(asyncio.create_task(talker.run()))
            await talker.live(1)
        yield everybody
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def cut(everybody: Iterable[Talker]) -> list[str]:
    """Why calls of these were cut, if any was."""
    return [loss for talker in everybody for loss in talker.losses]


def _words(item: dict[str, Any]) -> str:
    return " ".join(part.get("transcript") or part.get("text") or "" for part in item.get("content", ()))
