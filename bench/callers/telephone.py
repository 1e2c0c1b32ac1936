"""Voice-to-voice time over WebRTC without a browser: from the last packet of speech to the first of the answer."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from openai.types.realtime import ResponseDoneEvent

from audio.pcm import Pcm
from bench.callers.caller import AUDIBLE, Answered, take_answer
from bench.callers.phone import MICROPHONE_RATE, PLAYBACK_RATE, Phone, ring
from bench.corpus import Recording

_PATIENCE_S = 30
"""Longest wait for the answer after the recording."""
_AHEAD_S = 0.1
"""Audio may be this much earlier than the event that announces it."""

Timed = tuple[float, Mapping[str, Any]]
"""The loop's time at which a server event arrived, and the event."""


async def hold_by_phone(url: str, api_key: str, detection: str, spoken: Recording) -> Answered:
    """Speak one turn in a new call, until its answer has been heard and completed."""
    loop = asyncio.get_running_loop()
    answered = Answered(spoken.name)
    async with ring(url, api_key, "?timeline=1") as phone:
        await _prepare(phone, detection)
        phone.microphone.set_noise(float(np.std(spoken.pcm[-MICROPHONE_RATE // 4 :])))
        speaking = asyncio.create_task(phone.microphone.say(spoken.pcm))
        events: list[Timed] = []
        try:
            async with asyncio.timeout(len(spoken.pcm) / MICROPHONE_RATE + _PATIENCE_S):
                while answered.first_sound_s is None or not answered.timeline_ms:
                    event = await phone.receive()
                    events.append((loop.time(), event))
                    if speaking.done():
                        answered = answered_by(events, phone.heard, speaking.result(), spoken)
        except TimeoutError:
            pass  # What did not arrive stays unset.
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])
    return answered


def answered_by(
    events: Sequence[Timed], heard: Sequence[tuple[float, Pcm]], began: float, spoken: Recording
) -> Answered:
    """The answer to `spoken`, whose first packet left at the time `began`."""
    answered = Answered(spoken.name)
    sounded_s: dict[str, float] = {}
    for at, event in events:
        match event["type"]:
            case "output_audio_buffer.started":
                sounded_s.setdefault(event["response_id"], at - began)
            case "conversation.item.input_audio_transcription.completed":
                answered.heard = f"{answered.heard} {event['transcript'].strip()}".strip()
            case "response.done" if event["response"]["status"] != "cancelled":
                first_s = sounded_s.get(event["response"]["id"], 0.0)
                if first_s > spoken.last_words_s:
                    take_answer(answered, ResponseDoneEvent.model_construct(**event).response)
                    answered.first_sound_s = _first_sound_s(heard, began, first_s)
    answered.early = sum(at_s <= spoken.last_words_s for at_s in sounded_s.values())
    return answered


def _first_sound_s(heard: Sequence[tuple[float, Pcm]], began: float, from_s: float) -> float | None:
    """Time of the first audible sample from `from_s` on, in seconds since `began`. Packets play when they arrive."""
    for at, pcm in heard:
        if at - began >= from_s - _AHEAD_S and (audible := np.abs(pcm) > AUDIBLE).any():
            return at - began + float(np.argmax(audible)) / PLAYBACK_RATE
    return None


async def _prepare(phone: Phone, detection: str) -> None:
    audio = {"input": {"turn_detection": {"type": detection}, "transcription": {"model": "antiphon"}}}
    await phone.send({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
    while (await phone.receive())["type"] != "session.updated":
        pass
