"""Audio in chat messages: parts of base64 WAV, as vLLM and hosted models take them."""

import base64
from collections.abc import Sequence
from typing import Any

from audio.pcm import INPUT_RATE
from audio.pcm16 import wav_file
from pipeline.decoders.decoder import Close, Open, Unit
from pipeline.encoders.audio_units import Clip


def part_of(clip: Clip) -> dict[str, Any]:
    """The content part of a clip: always the same bytes, by which a server recognizes what it has read."""
    data = base64.b64encode(wav_file(clip.pcm, INPUT_RATE)).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def with_part(content: str | list[dict[str, Any]], part: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's content so far, followed by `part`."""
    if isinstance(content, str):
        content = [text_part(content)] if content else []
    return [*content, part]


def text_part(text: str) -> dict[str, Any]:
    """The content part of a text."""
    return {"type": "text", "text": text}


def settled(units: Sequence[Unit]) -> list[Unit] | None:
    """The units up to the last closed clip of the message that is open at the end; None if it has no closed clip."""
    for at in range(len(units) - 1, -1, -1):
        match units[at]:
            case Clip(closed=True):
                return list(units[: at + 1])
            case Open() | Close():
                break
    return None
