"""A person at a microphone, played from a recording in real time, and what comes back with its times."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.corpus import Recording
from realtime.client import WIRE_RATE, Connection, audio_of

_BLOCK_SAMPLES = WIRE_RATE // 50
_PATIENCE_S = 30
"""Longest wait for the end of the answer."""
AUDIBLE = 0.01
"""Amplitude, -40 dB, as the recordings' own edges are found: a packet of silence is no answer."""


@dataclass(slots=True)
class Answered:
    """What came of a turn. Seconds count from the recording's first sample."""

    name: str
    first_sound_s: float | None = None
    """When the first audible sample of the answer to the whole turn is played, at the soonest; None: none came."""
    early: int = 0
    """Answers whose audio arrived in a pause, before the person went on."""
    gaps_s: list[float] | None = None
    """Silences inside the answer because its audio came too late to be played without one; None: not measured."""
    heard: str = ""
    said: str = ""
    timeline_ms: dict[str, float] = field(default_factory=dict)


async def hold(connection: Connection, spoken: Recording) -> Answered:
    """Speak one turn on a fresh session and listen until the answer to it has come, whole."""
    call = _Call(connection, spoken)
    speaking = asyncio.create_task(call.speak())
    try:
        async with asyncio.timeout(len(spoken.pcm) / WIRE_RATE + _PATIENCE_S):
            await call.listen()
    except TimeoutError:
        pass  # What did not come stays as it was.
    finally:
        speaking.cancel()
        await asyncio.wait([speaking])
    return call.answered


def take_answer(answered: Answered, response: Mapping[str, Any]) -> None:
    """Note what a response that is done says of itself."""
    parts = [part for item in response["output"] for part in item.get("content", ())]
    answered.said = " ".join(part.get("transcript", "") for part in parts)
    answered.timeline_ms = json.loads((response.get("metadata") or {}).get("timeline", "{}"))


class _Call:
    def __init__(self, connection: Connection, spoken: Recording) -> None:
        self._gaps_s: list[float] = []
        self.answered = Answered(spoken.name, gaps_s=self._gaps_s)
        self._connection = connection
        self._spoken = spoken
        self._began = asyncio.get_running_loop().time()
        self._first: dict[str, float] = {}
        """When each response's first audio came."""
        self._sounding: set[str] = set()
        """Responses of which something audible came."""
        self._played_until = 0.0

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    async def speak(self) -> None:
        """The recording, and then the noise of the room that it ends with, for as long as the call lasts."""
        pcm, noise = self._spoken.pcm, np.random.default_rng(0)
        room = np.std(pcm[-WIRE_RATE // 4 :])
        sent = 0
        while True:
            block = pcm[sent : sent + _BLOCK_SAMPLES]
            hiss = noise.standard_normal(_BLOCK_SAMPLES - len(block), np.float32) * room
            sent += _BLOCK_SAMPLES
            await asyncio.sleep(sent / WIRE_RATE - self.now())
            await self._connection.send_audio(np.concatenate((block, hiss)))

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
                take_answer(self.answered, event["response"])
                return bool(event["response"]["status"] != "cancelled")
        return False

    def _hear(self, event: dict[str, Any]) -> None:
        now, response, pcm = self.now(), event["response_id"], audio_of(event)
        if response not in self._first:
            self._first[response] = self._played_until = now
            self.answered.early += now <= self._spoken.last_words_s
        elif now > self._played_until:
            self._gaps_s.append(now - self._played_until)
            self._played_until = now
        if response not in self._sounding and (audible := np.abs(pcm) > AUDIBLE).any():
            self._sounding.add(response)
            if self._first[response] > self._spoken.last_words_s:
                self.answered.first_sound_s = self._played_until + float(np.argmax(audible)) / WIRE_RATE
        self._played_until += len(pcm) / WIRE_RATE
