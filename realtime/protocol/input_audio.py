"""The audio of client events, decoded in steps of a few milliseconds: a long event must not hold the loop.

The results are those of decoding everything at once.
"""

import base64
import binascii
from collections.abc import Generator, Iterator

import numpy as np
import soxr

from audio.pcm import INPUT_RATE, Pcm, silence
from realtime.protocol.audio_format import AudioFormat, InputDecoder
from realtime.protocol.parsing import Invalid

LONGEST_APPEND_S = 300.0
"""Seconds of audio in one append: no pcm16 at 24 kHz within OpenAI's 15 MiB is longer. G.711 of that size would last
23 minutes, and be digested for half a minute."""

_SHORTEST_COMMIT_MS = 100
_TICKS_PER_MS = 48
"""Time units in which a sample of any wire rate is a whole number."""
_STEP_CHARACTERS = 2**20
"""Base64 that is decoded at once, in about 3 ms. A multiple of 4, so that each part is base64 by itself."""
_STEP_S = 5.0
"""Audio that is decoded and resampled at once, in about 4 ms."""


class InputBuffer:
    """The audio that a client appends, on its way to the agent, and how much of it is uncommitted."""

    def __init__(self, wire: AudioFormat) -> None:
        self._wire = wire
        self._decoder = InputDecoder(wire)
        self._uncommitted_ticks = 0

    def change_format(self, wire: AudioFormat) -> None:
        """Expect later audio in another format."""
        if wire != self._wire:
            self._wire, self._decoder = wire, InputDecoder(wire)

    def append(self, audio: str) -> Iterator[Pcm]:
        """The samples in `audio`, base64, at 16 kHz, in pieces, which may be empty. Raises `Invalid` before the first.

        An append of which anything is wrong has no effect.
        """
        wire = self._wire
        data = yield from _bytes_in(audio, wire, LONGEST_APPEND_S, "audio")
        self._uncommitted_ticks += len(data) // wire.sample_bytes * (_TICKS_PER_MS * 1000 // wire.rate)
        for part in _parts(wire, data):
            yield self._decoder.push(part)

    def clear(self) -> None:
        self._uncommitted_ticks = 0

    def commit(self, by_hand: bool) -> None:
        """Note that everything is committed. Raises `Invalid` for less than the protocol takes.

        Only `by_hand`, without turn detection, it is known here how much is uncommitted.
        """
        buffered_ms = self._uncommitted_ticks / _TICKS_PER_MS
        if by_hand and buffered_ms < _SHORTEST_COMMIT_MS:
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{_SHORTEST_COMMIT_MS}ms of audio, but buffer only has {buffered_ms:.2f}ms of audio."
            )
            raise Invalid("input_audio_buffer_commit_empty", message)
        self.clear()


def read_clip(audio: str, wire: AudioFormat, longest_s: float, place: str) -> Iterator[Pcm | None]:
    """The samples of a whole clip, base64, at 16 kHz, after pauses that yield None. Raises `Invalid`."""
    data = yield from _bytes_in(audio, wire, longest_s, place)
    if not data:
        raise Invalid("invalid_audio", f"Invalid '{place}': it holds no audio.", place)
    stream = soxr.ResampleStream(wire.rate, INPUT_RATE, 1, dtype="float32")
    pieces = []
    for part in _parts(wire, data):
        pieces.append(stream.resample_chunk(wire.decode(part)))
        yield None
    yield np.concatenate([*pieces, stream.resample_chunk(silence(0), last=True)])


_PAUSE = silence(0)


def _bytes_in(audio: str, wire: AudioFormat, longest_s: float, place: str) -> Generator[Pcm, None, bytes]:
    """The bytes in base64 `audio`: whole samples, of at most `longest_s`. Raises `Invalid`."""
    parts = []
    for start in range(0, len(audio), _STEP_CHARACTERS):
        if start:
            yield _PAUSE
        part = audio[start : start + _STEP_CHARACTERS]
        is_last = start + _STEP_CHARACTERS >= len(audio)
        try:
            if part.endswith("=") and not is_last:
                raise ValueError("padding within the data")
            parts.append(base64.b64decode(part, validate=True))
        except (binascii.Error, ValueError):
            raise Invalid("invalid_base64", f"Invalid '{place}': expected base64-encoded audio.", place) from None
    data = b"".join(parts)
    if len(data) % wire.sample_bytes:
        message = f"Invalid '{place}': pcm16 takes two bytes a sample, {len(data)} is odd."
        raise Invalid("invalid_audio", message, place)
    seconds = len(data) / wire.sample_bytes / wire.rate
    if seconds > longest_s:
        message = f"Invalid '{place}': it holds {seconds:.1f} s of audio; at most {longest_s:g} s are taken."
        raise Invalid("audio_too_long", message, place)
    return data


def _parts(wire: AudioFormat, data: bytes) -> Iterator[bytes]:
    size = round(_STEP_S * wire.rate) * wire.sample_bytes
    return (data[start : start + size] for start in range(0, len(data), size))
