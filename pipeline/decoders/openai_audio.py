"""Sound in chat messages: parts of base64 WAV, as vLLM and hosted models take them."""

import base64
import io
import wave
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.audio import INPUT_RATE
from pipeline.decoders.decoder import Close, Open, Unit
from pipeline.embeddings import Clip
from tts.synthesizer import Pcm


def part_of(clip: Clip) -> dict[str, Any]:
    """The same bytes each time: by them a server knows what it has read."""
    data = base64.b64encode(wav(clip.pcm)).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def with_part(content: str | list[dict[str, Any]], part: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's content so far and `part` behind it."""
    if isinstance(content, str):
        content = [text_part(content)] if content else []
    return [*content, part]


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def wav(pcm: Pcm) -> bytes:
    """16 bits at 16 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(INPUT_RATE)
        writer.writeframes((np.clip(pcm, -1, 1) * 32767).round().astype("<i2").tobytes())
    return file.getvalue()


def settled(units: Sequence[Unit]) -> list[Unit] | None:
    """Everything up to the last closed clip of the message that is open at the end; None: it has none."""
    for at in range(len(units) - 1, -1, -1):
        match units[at]:
            case Clip(closed=True):
                return list(units[: at + 1])
            case Open() | Close():
                break
    return None
