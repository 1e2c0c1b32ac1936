"""The walk that every Python client takes: a person talks, types, breaks in and hangs up. Prints one JSON line a step.

A client's program implements `Client` with that client's own code and fills `Seen` from that client's own signals.
"""

import asyncio
import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RATE = 24_000
BLOCK_S = 0.1
STEP_TIMEOUT_S = 90.0


@dataclass
class Answer:
    """One answer as the client gives it to its application."""

    text: str = ""
    audio_bytes: int = 0
    began: float = 0.0
    """Wall-clock time of the first audio."""
    over: bool = False
    cut: bool = False
    """Whether the client considers it interrupted or cancelled."""

    @property
    def audio_s(self) -> float:
        return self.audio_bytes / 2 / RATE

    @property
    def played_s(self) -> float:
        """How much of it a loudspeaker has played by now."""
        return min(self.audio_s, time.monotonic() - self.began)


@dataclass
class Seen:
    """What the client has given to its application so far."""

    heard: list[str] = field(default_factory=list)
    """Final transcripts of the person's turns."""
    answers: list[Answer] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    """Arguments of every run of the tool."""
    interruptions: int = 0
    truncations: int = 0
    """Number of `conversation.item.truncated` events."""
    errors: list[str] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def until_played(self) -> None:
        """Wait until a loudspeaker has played all of the last answer."""
        answer = self.answers[-1]
        await asyncio.sleep(max(0.0, answer.audio_s - answer.played_s))

    def open_answer(self) -> Answer:
        """The answer that is being given; a new one if there is none."""
        if not self.answers or self.answers[-1].over:
            self.answers.append(Answer())
        return self.answers[-1]

    @property
    def playing(self) -> bool:
        """Whether the last answer is being given or still sounds."""
        if not self.answers or self.answers[-1].cut or not self.answers[-1].audio_bytes:
            return False
        return not self.answers[-1].over or self.answers[-1].played_s < self.answers[-1].audio_s

    def interrupt(self) -> None:
        """The client has stopped its playback."""
        if self.playing:
            self.answers[-1].cut = True
            self.interruptions += 1
        self.notify()

    def sound(self, pcm16: bytes) -> None:
        answer = self.open_answer()
        answer.began = answer.began or time.monotonic()
        answer.audio_bytes += len(pcm16)
        self.notify()

    def words(self, text: str) -> None:
        self.open_answer().text += text
        self.notify()

    def end_answer(self, cut: bool = False) -> None:
        """Ends the answer that is being given, if there is one."""
        if self.answers and not self.answers[-1].over:
            if cut:
                self.interrupt()
            self.answers[-1].over = True
        self.notify()


class Client(ABC):
    """One stock client, driven by its own code."""

    transcribes = True
    """Whether the client asks for transcripts of what the person says."""

    def __init__(self) -> None:
        self.seen = Seen()

    @abstractmethod
    async def connect(self, url: str) -> None:
        """Hold a session at the server of base `url`, as in http://127.0.0.1:8000, until `close`."""

    @abstractmethod
    async def send_audio(self, pcm16: bytes) -> None:
        """Microphone audio: pcm16, mono, 24 kHz."""

    @abstractmethod
    async def type(self, text: str) -> None:
        """Send a typed message that is to be answered."""

    @abstractmethod
    async def ask_for_tool(self, text: str) -> None:
        """Send a typed message that the model must answer by calling the tool `lookup`."""

    @abstractmethod
    async def cancel(self) -> None:
        """Stop the answer that is being given."""

    @abstractmethod
    async def close(self) -> None: ...


class Microphone:
    """Sends recordings at the pace of a microphone, and silence in between."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], recordings: Path) -> None:
        self._send = send
        self._recordings = recordings
        self._waiting = bytearray()

    def say(self, name: str) -> None:
        self._waiting += (self._recordings / f"{name}.pcm").read_bytes()

    async def run(self) -> None:
        block = round(BLOCK_S * RATE) * 2
        due = time.monotonic()
        while True:
            samples, self._waiting = self._waiting[:block], self._waiting[block:]
            await self._send(bytes(samples) + bytes(block - len(samples)))
            due += BLOCK_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def walk(client: Client, url: str, recordings: Path) -> None:
    """All steps, whatever becomes of each."""
    seen = client.seen
    async with _step(seen, "connect") as facts:
        await client.connect(url)
    if "failed" in facts:
        return
    microphone = Microphone(client.send_audio, recordings)
    listening = asyncio.create_task(microphone.run())
    for name in ("turn_04", "turn_12"):
        async with _step(seen, name) as facts:
            microphone.say(name)
            await _answered(seen, facts)
    async with _step(seen, "barge_in") as facts:
        interruptions, heard = seen.interruptions, len(seen.heard)
        microphone.say("turn_06")
        answers = len(seen.answers)
        await seen.until(lambda: len(seen.answers) > answers and seen.answers[-1].audio_s > 0.3)
        await asyncio.sleep(0.3)  # the person listens for a while
        microphone.say("barge_02")
        await seen.until(lambda: seen.interruptions > interruptions)
        if client.transcribes:
            await seen.until(lambda: len(seen.heard) > heard + 1)
        await _answered(seen, facts, after=answers + 1)
        facts |= {"interruptions": seen.interruptions - interruptions, "truncations": seen.truncations}
        facts["heard"] = seen.heard[heard:]
    async with _step(seen, "tool") as facts:
        answers = len(seen.answers)
        await client.ask_for_tool("Look up the opening hours of the museum.")
        await seen.until(lambda: bool(seen.tools))
        await _answered(seen, facts, after=answers)
        facts["tools"] = seen.tools
    async with _step(seen, "text") as facts:
        answers = len(seen.answers)
        await client.type("What is the capital of France?")
        await _answered(seen, facts, after=answers)
    async with _step(seen, "cancel") as facts:
        answers = len(seen.answers)
        await client.type("Tell me a long story about the sea.")
        await seen.until(lambda: len(seen.answers) > answers and seen.answers[-1].audio_s > 0.2)
        await client.cancel()
        await seen.until(lambda: seen.answers[-1].over)
        facts["cut"] = seen.answers[-1].cut
    listening.cancel()
    await asyncio.wait({listening})
    async with _step(seen, "close"):
        await client.close()
    async with _step(seen, "reconnect") as facts:
        answers = len(seen.answers)
        await client.connect(url)
        await client.type("What is nine times six?")
        await _answered(seen, facts, after=answers)
        await client.close()


async def _answered(seen: Seen, facts: dict[str, Any], after: int | None = None) -> None:
    """Wait for the end of a spoken answer, made and played."""
    heard, first = len(seen.heard), len(seen.answers) if after is None else after
    await seen.until(lambda: any(answer.over and answer.audio_bytes for answer in seen.answers[first:]))
    answer = next(answer for answer in seen.answers[first:] if answer.over and answer.audio_bytes)
    await asyncio.sleep(max(0.0, answer.audio_s - answer.played_s))
    facts |= {"answer": answer.text.strip(), "audio_s": round(answer.audio_s, 2), "heard": seen.heard[heard:]}
    facts["answers"] = len([answer for answer in seen.answers[first:] if answer.audio_bytes])


@asynccontextmanager
async def _step(seen: Seen, name: str) -> AsyncIterator[dict[str, Any]]:
    facts: dict[str, Any] = {}
    try:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            yield facts
    except Exception as error:
        facts["failed"] = f"{type(error).__name__}: {error}"
        facts |= {"interruptions": seen.interruptions, "heard": seen.heard, "answers": [vars(a) for a in seen.answers]}
    errors, seen.errors = seen.errors, []
    print(json.dumps({"step": name, **facts, "errors": errors}), flush=True)


def main(client: Callable[[], Client]) -> None:
    """`python PROGRAM URL FOLDER`, where FOLDER holds the recordings as NAME.pcm."""

    async def run() -> None:
        with suppress(asyncio.CancelledError):
            await walk(client(), sys.argv[1], Path(sys.argv[2]))

    asyncio.run(run())
