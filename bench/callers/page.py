"""Voice-to-voice time in the demo's page: from a sample of its microphone to one of its loudspeaker."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import soxr
from openai.types.realtime import ResponseDoneEvent

from audio.pcm import Pcm, silence
from bench.callers.browser import RATE, Sides, chromium, open_page
from bench.callers.caller import AUDIBLE, Answered, take_answer
from bench.corpus import Recording
from realtime.protocol.audio_format import WIRE_RATE

Transport = Literal["webrtc", "websocket"]

_LEAD_IN_S = 2.0
"""Silence before the recording: the microphone opens before the connection does."""
_PATIENCE_S = 120
"""Longest wait for the answer after the recording. Over WebRTC it is produced at the pace of playback."""
_LOOK_EVERY_S = 0.25
_AHEAD_S = 0.1
"""Audio may be this much earlier than the event that announces it."""
_SOUNDS = ("response.output_audio.delta", "antiphon.output_audio")
"""Events for each piece of audio: the audio itself over the WebSocket, an announcement over WebRTC."""


async def hold_in_page(url: str, api_key: str, transport: Transport, spoken: Recording) -> Answered:
    """Speak one turn into the page at `url`, in a new browser, until its answer has been heard and completed."""
    pcm = soxr.resample(spoken.pcm, WIRE_RATE, RATE)
    microphone = np.concatenate((silence(round(_LEAD_IN_S * RATE)), pcm))
    async with chromium(microphone) as browser:
        call = await open_page(browser, url, {"connection": transport}, api_key)
        await call.start()
        await asyncio.sleep(len(microphone) / RATE)
        answered = Answered(spoken.name)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while answered.first_sound_s is None or not answered.timeline_ms:
                    await asyncio.sleep(_LOOK_EVERY_S)
                    events = await call.events()
                    # Fetching megabytes of recordings takes CPU time: not while the answer is being produced.
                    if any(event["type"] == "response.done" for event in events):
                        answered = answered_by(await call.sides(), events, spoken)
        except TimeoutError:
            pass  # What did not arrive stays unset.
        await call.hang_up()
    return answered


def answered_by(sides: Sides, events: Sequence[Mapping[str, Any]], spoken: Recording) -> Answered:
    """The answer to `spoken`, from recordings of both sides that began before it, and the server's events."""
    answered = Answered(spoken.name)
    began_s = begin_of(soxr.resample(spoken.pcm, WIRE_RATE, RATE), sides.microphone) / RATE
    sounded_s: dict[str, float] = {}
    for event in events:
        match event["type"]:
            case kind if kind in _SOUNDS:
                sounded_s.setdefault(event["response_id"], event["at_s"] - began_s)
            case "conversation.item.input_audio_transcription.completed":
                answered.heard = f"{answered.heard} {event['transcript'].strip()}".strip()
            case "response.done" if event["response"]["status"] != "cancelled":
                response = event["response"]
                first_s = sounded_s.get(response["id"], 0.0)
                if first_s > spoken.last_words_s:
                    take_answer(answered, ResponseDoneEvent.model_construct(**event).response)
                    answered.first_sound_s = _first_sound_s(sides.loudspeaker, began_s, first_s)
    answered.early = sum(at_s <= spoken.last_words_s for at_s in sounded_s.values())
    return answered


def begin_of(pcm: Pcm, within: Pcm) -> int:
    """The sample of `within` at which `pcm` begins, by their cross-correlation; both at one rate."""
    size = len(pcm) + len(within)
    correlation = np.fft.irfft(np.fft.rfft(within, size) * np.conj(np.fft.rfft(pcm, size)), size)
    return int(np.argmax(correlation[: len(within)]))


def _first_sound_s(loudspeaker: Pcm, began_s: float, from_s: float) -> float | None:
    """Time of the first audible sample after `from_s`; both in seconds from the start of the spoken recording."""
    start = round((began_s + from_s - _AHEAD_S) * RATE)
    audible = np.abs(loudspeaker[start:]) > AUDIBLE
    return (start + int(np.argmax(audible))) / RATE - began_s if audible.any() else None
