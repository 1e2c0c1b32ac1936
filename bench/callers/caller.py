"""A caller over a WebSocket: plays a recording in real time, and measures the answer."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
from openai.types.realtime import (
    ConversationItemInputAudioTranscriptionCompletedEvent,
    RealtimeResponse,
    ResponseAudioDeltaEvent,
    ResponseDoneEvent,
)

from bench.corpus import Recording
from realtime.protocol.audio_format import WIRE_RATE
from realtime.protocol.parsing import ServerEvent
from realtime.protocol.server_events import timeline_of, words_of
from realtime.terminal.client import Connection, audio_of

_BLOCK_SAMPLES = WIRE_RATE // 50
_PATIENCE_S = 30
"""Longest wait for the end of the answer."""
AUDIBLE = 0.01
"""Amplitude, -40 dB, as for the edges of the recordings: a packet of silence is not an answer."""


@dataclass(slots=True)
class Answered:
    """The answer to a turn. Times are seconds from the recording's first sample."""

    name: str
    first_sound_s: float | None = None
    """Earliest time at which the first audible sample of the answer to the whole turn is played; None: no answer."""
    early: int = 0
    """Answers whose audio arrived in a pause, before the speaker continued."""
    gaps_s: list[float] | None = None
    """Lengths of silences in the answer because its audio arrived too late; None: not measured."""
    heard: str = ""
    said: str = ""
    timeline_ms: dict[str, float] = field(default_factory=dict)


async def hold(connection: Connection, spoken: Recording) -> Answered:
    """Speak one turn in a new session, and listen until its whole answer has arrived."""
    call = _Call(connection, spoken)
    speaking = asyncio.create_task(call.speak())
    try:
        async with asyncio.timeout(len(spoken.pcm) / WIRE_RATE + _PATIENCE_S):
            await call.listen()
    except TimeoutError:
        pass  # What did not arrive stays unset.
    finally:
        speaking.cancel()
        await asyncio.wait([speaking])
    return call.answered


def take_answer(answered: Answered, response: RealtimeResponse) -> None:
    """Note the words and the timeline of a response that is done."""
    answered.said = words_of(response)
    answered.timeline_ms = timeline_of(response)


class _Call:
    """One turn: a recording that is spoken, and the server's events."""

    def __init__(self, connection: Connection, spoken: Recording) -> None:
        self._gaps_s: list[float] = []
        self.answered = Answered(spoken.name, gaps_s=self._gaps_s)
        self._connection = connection
        self._spoken = spoken
        self._began = asyncio.get_running_loop().time()
        self._first: dict[str, float] = {}
        """When the first audio of each response arrived."""
        self._sounding: set[str] = set()
        """Responses of which audible audio has arrived."""
        self._played_until = 0.0

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    async def speak(self) -> None:
        """Send the recording and then room noise as loud as its end, until cancelled."""
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

    def _take(self, event: ServerEvent) -> bool:
        """Note what the event reports. Returns whether it ends the answer to the whole turn."""
        match event:
            case ResponseAudioDeltaEvent():
                self._hear(event)
            case ConversationItemInputAudioTranscriptionCompletedEvent():
                self.answered.heard = f"{self.answered.heard} {event.transcript.strip()}".strip()
            case ResponseDoneEvent() if self._first.get(event.response.id or "", 0) > self._spoken.last_words_s:
                take_answer(self.answered, event.response)
                return event.response.status != "cancelled"
        return False

    def _hear(self, event: ResponseAudioDeltaEvent) -> None:
        now, response, pcm = self.now(), event.response_id, audio_of(event)
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
