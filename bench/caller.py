"""A person at a microphone, played from a recording in real time, and what comes back with its times."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from realtime.client import WIRE_RATE, Connection, audio_of
from realtime.wav import read_wav
from tts.synthesizer import Pcm

_BLOCK_SAMPLES = WIRE_RATE // 50
_PATIENCE_S = 8
"""Longest wait for an answer after the last word."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording of one turn, and where its speech lies."""

    name: str
    kind: str
    text: str
    pcm: Pcm
    """At 24 kHz."""
    speech_end_s: float
    pauses: tuple[tuple[float, float], ...]
    """Start and end of the silences in which the turn goes on, in seconds."""

    @property
    def last_words_s(self) -> float:
        """When the last stretch of speech begins: what answers before that, answers too early."""
        return self.pauses[-1][1] if self.pauses else 0.0


@dataclass(slots=True)
class Answered:
    """What came of a turn. Seconds count from the recording's first sample."""

    name: str
    first_audio_s: float | None = None
    """Arrival of the first audio of the answer to the whole turn; None: none came."""
    early: int = 0
    """Answers whose audio arrived in a pause, before the person went on."""
    gaps_s: list[float] = field(default_factory=list)
    """Silences inside the answer because its audio came too late to be played without one."""
    heard: str = ""
    said: str = ""
    timeline_ms: dict[str, float] = field(default_factory=dict)


def read_corpus(folder: Path, kinds: Sequence[str]) -> list[Spoken]:
    """The turns of these kinds that a manifest.json in `folder` lists."""
    items = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["items"]
    return [
        Spoken(
            name=Path(item["file"]).stem,
            kind=item["kind"],
            text=item["text"],
            pcm=read_wav(folder / item["file"], WIRE_RATE),
            speech_end_s=item["speech_end_s"],
            pauses=tuple((pause["start_s"], pause["end_s"]) for pause in item["pauses"]),
        )
        for item in items
        if item["kind"] in kinds
    ]


async def hold(connection: Connection, spoken: Spoken) -> Answered:
    """Speak one turn on a fresh session and listen until the answer to it has come, whole."""
    call = _Call(connection, spoken)
    speaking = asyncio.create_task(call.speak())
    try:
        async with asyncio.timeout(len(spoken.pcm) / WIRE_RATE + _PATIENCE_S):
            await call.listen()
    except TimeoutError:
        pass  # What did not come is None.
    finally:
        speaking.cancel()
        await asyncio.wait([speaking])
    return call.answered


class _Call:
    def __init__(self, connection: Connection, spoken: Spoken) -> None:
        self.answered = Answered(spoken.name)
        self._connection = connection
        self._spoken = spoken
        self._began = asyncio.get_running_loop().time()
        self._first: dict[str, float] = {}
        """When each response's first audio came."""
        self._played_until = 0.0

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    async def speak(self) -> None:
        sent = 0
        while True:
            block = self._spoken.pcm[sent : sent + _BLOCK_SAMPLES]
            sent += _BLOCK_SAMPLES
            await asyncio.sleep(sent / WIRE_RATE - self.now())
            await self._connection.send_audio(np.pad(block, (0, _BLOCK_SAMPLES - len(block))))

    async def listen(self) -> None:
        while not self._take(await self._connection.receive()):
            pass

    def _take(self, event: dict[str, Any]) -> bool:
        """Note what the event says; whether it ends the answer to the whole turn."""
        match event["type"]:
            case "response.output_audio.delta":
                self._hear(event)
            case "conversation.item.input_audio_transcription.completed":
                self.answered.heard = f"{self.answered.heard} {event['transcript'].strip()}".strip()
            case "response.done" if self._first.get(event["response"]["id"], 0) > self._spoken.last_words_s:
                response = event["response"]
                self.answered.first_audio_s = self._first[response["id"]]
                parts = [part for item in response["output"] for part in item.get("content", ())]
                self.answered.said = " ".join(part.get("transcript", "") for part in parts)
                self.answered.timeline_ms = json.loads((response.get("metadata") or {}).get("timeline", "{}"))
                return bool(response["status"] != "cancelled")
        return False

    def _hear(self, event: dict[str, Any]) -> None:
        now, response = self.now(), event["response_id"]
        if response not in self._first:
            self._first[response] = self._played_until = now
            self.answered.early += now <= self._spoken.last_words_s
        elif now > self._played_until:
            self.answered.gaps_s.append(now - self._played_until)
            self._played_until = now
        self._played_until += len(audio_of(event)) / WIRE_RATE
