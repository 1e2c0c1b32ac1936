"""Voice to voice as the demo's page lives through it: from a sample of its microphone to one of its loudspeaker."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import soxr

from bench.browser import RATE, Sides, chromium, open_page
from bench.caller import AUDIBLE, Answered, take_answer
from bench.corpus import Recording
from pipeline.audio import silence
from realtime.client import WIRE_RATE
from tts.synthesizer import Pcm

Transport = Literal["webrtc", "websocket"]

_LEAD_IN_S = 2.0
"""Silence ahead of the recording: the microphone is open before the connection is."""
_PATIENCE_S = 120
"""Longest wait for the answer behind the recording: over WebRTC it is made little ahead of its playing."""
_LOOK_EVERY_S = 0.25
_AHEAD_S = 0.1
"""So much earlier than the event that tells of it, sound may come."""
_SOUNDS = ("response.output_audio.delta", "antiphon.output_audio")
"""What the server says with each piece of sound: over the WebSocket the sound itself, over WebRTC that it is sent."""


async def hold_in_page(url: str, api_key: str, transport: Transport, spoken: Recording) -> Answered:
    """Speak one turn into the page at `url`, in a browser of its own, until the answer to it sounds and is written."""
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
                    # The recordings are megabytes, and fetching them is work: not while the answer is still made.
                    if any(event["type"] == "response.done" for event in events):
                        answered = answered_by(await call.sides(), events, spoken)
        except TimeoutError:
            pass  # What did not come stays as it was.
        await call.hang_up()
    return answered


def answered_by(sides: Sides, events: Sequence[Mapping[str, Any]], spoken: Recording) -> Answered:
    """What came of `spoken`, by a recording of both sides from before it was spoken, and by the server's events."""
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
                    take_answer(answered, response)
                    answered.first_sound_s = _first_sound_s(sides.loudspeaker, began_s, first_s)
    answered.early = sum(at_s <= spoken.last_words_s for at_s in sounded_s.values())
    return answered


def begin_of(pcm: Pcm, within: Pcm) -> int:
    """The sample of `within` at which `pcm` begins, by their cross-correlation; both at one rate."""
    size = len(pcm) + len(within)
    correlation = np.fft.irfft(np.fft.rfft(within, size) * np.conj(np.fft.rfft(pcm, size)), size)
    return int(np.argmax(correlation[: len(within)]))


def _first_sound_s(loudspeaker: Pcm, began_s: float, from_s: float) -> float | None:
    """When the first audible sample came after `from_s`; all in seconds from when the recording was begun to speak."""
    start = round((began_s + from_s - _AHEAD_S) * RATE)
    audible = np.abs(loudspeaker[start:]) > AUDIBLE
    return (start + int(np.argmax(audible))) / RATE - began_s if audible.any() else None
