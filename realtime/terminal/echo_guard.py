"""Echo: keeping the agent's voice, as this machine's speaker plays it, out of the microphone's audio."""

import sys
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from audio.errors import PlainError
from audio.pcm import Pcm, silence
from realtime.protocol.audio_format import WIRE_RATE, AudioFormat

if TYPE_CHECKING:
    from livekit.rtc import AudioFrame

EchoMode = Literal["auto", "cancel", "half-duplex", "off"]

_PCM16 = AudioFormat("audio/pcm", WIRE_RATE)
_FRAME_SAMPLES = WIRE_RATE // 100
_FIRST_DELAY_MS = 80
"""Initial estimate of the delay from the speaker's queue to the microphone's; the canceller refines it."""
_TAIL_SAMPLES = round(0.4 * WIRE_RATE)
"""How long the room and the sound card's buffers prolong what was played."""


class EchoGuard(Protocol):
    """Processes all audio in the order in which it is played and recorded, in blocks of any size at 24 kHz."""

    advice: str
    """Advice to the user, in one line."""

    def played(self, pcm: Pcm) -> None:
        """Note audio that the speaker plays."""
        ...

    def recorded(self, pcm: Pcm) -> Pcm:
        """The part of the microphone's audio that the agent may get. May hold back some milliseconds."""
        ...


class NoCanceller(PlainError):
    """The echo canceller cannot be loaded. The message states why and what to do."""


def guard_against_echo(mode: EchoMode) -> EchoGuard:
    """The guard for a mode. Raises `NoCanceller` if mode is "cancel" and there is none."""
    match mode:
        case "off":
            return Unguarded()
        case "half-duplex":
            return HalfDuplex()
        case "cancel":
            return Canceller()
        case "auto":
            try:
                return Canceller()
            except NoCanceller:
                return HalfDuplex()


class Canceller:
    """WebRTC's echo canceller (AEC3), from the package livekit."""

    advice = "Speak, and interrupt whenever you like: its own voice is kept out of the microphone. Ctrl-C ends."

    def __init__(self) -> None:
        try:
            # The import takes 0.2 s, which only `antiphon talk` should cost.
            from livekit.rtc import AudioFrame, AudioProcessingModule

            self._processor = AudioProcessingModule(echo_cancellation=True, high_pass_filter=True)
        except Exception as error:  # a native library that does not fit the machine may raise anything
            raise NoCanceller(
                f"the echo canceller can't be loaded ({error}): {sys.executable} -m pip install livekit, or talk with "
                "--echo half-duplex, or with headphones and --echo off"
            ) from error
        self._processor.set_stream_delay_ms(_FIRST_DELAY_MS)
        self._make_frame = AudioFrame
        self._unplayed = self._unrecorded = silence(0)

    def played(self, pcm: Pcm) -> None:
        frames, self._unplayed = self._frames(np.concatenate((self._unplayed, pcm)))
        for frame in frames:
            self._processor.process_reverse_stream(frame)

    def recorded(self, pcm: Pcm) -> Pcm:
        frames, self._unrecorded = self._frames(np.concatenate((self._unrecorded, pcm)))
        for frame in frames:
            self._processor.process_stream(frame)
        return _PCM16.decode(b"".join(frame.data for frame in frames))

    def _frames(self, pcm: Pcm) -> "tuple[list[AudioFrame], Pcm]":
        """The whole frames of 10 ms, and the samples left over."""
        whole = len(pcm) - len(pcm) % _FRAME_SAMPLES
        frames = [
            self._make_frame(bytearray(_PCM16.encode(frame)), WIRE_RATE, 1, _FRAME_SAMPLES)
            for frame in pcm[:whole].reshape(-1, _FRAME_SAMPLES)
        ]
        return frames, pcm[whole:]


class HalfDuplex:
    """Turns the microphone off while the agent speaks, and until the room is silent again."""

    advice = (
        "Speak when it has finished: the microphone is off while it talks, so that it does not hear itself. "
        "With headphones, --echo off lets you interrupt. Ctrl-C ends."
    )

    def __init__(self) -> None:
        self._off = 0
        """Samples for which the microphone stays off."""

    def played(self, pcm: Pcm) -> None:
        if np.any(pcm):
            self._off = _TAIL_SAMPLES + len(pcm)

    def recorded(self, pcm: Pcm) -> Pcm:
        off = min(self._off, len(pcm))
        self._off -= off
        return np.concatenate((silence(off), pcm[off:]))


class Unguarded:
    """Passes all microphone audio to the agent: for headphones."""

    advice = "Speak, and wear headphones: it stops when it hears a voice, its own too. Ctrl-C ends."

    def played(self, pcm: Pcm) -> None:
        pass

    def recorded(self, pcm: Pcm) -> Pcm:
        return pcm
