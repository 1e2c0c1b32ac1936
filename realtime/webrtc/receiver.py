"""Audio received by RTP, as a gapless stream of commands for the agent."""

import av
import numpy as np

from audio.pcm import INPUT_RATE, Pcm, silence
from pipeline.commands import Audio, Silence
from realtime.sessions.idle_clock import PATIENCE_S, STEP_S
from realtime.webrtc.opus import RTP_RATE, OpusDecoder
from realtime.webrtc.reorder_buffer import Packet, ReorderBuffer

_TICKS = RTP_RATE // INPUT_RATE
"""RTP timestamp units in one of the agent's samples."""
_MAX_GAP = INPUT_RATE
"""Samples. A larger step in the timestamps is a new clock, not a gap: `due` has filled all real time that passed."""
_FADE_SAMPLES = round(0.06 * INPUT_RATE)
"""Length of the audio that conceals a lost packet. A voice that is held for longer sounds mechanical."""
_PITCH = (INPUT_RATE // 400, INPUT_RATE // 66)
"""Shortest and longest pitch period of a voice, in samples."""
_HISTORY = 3 * _PITCH[1]


class AudioReceiver:
    """Turns one sender's packets into commands for an agent whose clock counts samples. Callers pass the time.

    A packet's timestamp places its audio: a gap before it is concealed, except for the part that silence has filled
    already. Audio that was only late comes after the silence that stood in for it, and that much less silence is fed
    at the next opportunity.
    """

    def __init__(self, now: float) -> None:
        self._buffer = ReorderBuffer()
        self._decoder = OpusDecoder()
        self._began = self._last = now
        """When reception began, and when audio last arrived, in seconds."""
        self._produced = 0
        """Samples in all commands so far."""
        self._next: int | None = None
        """Timestamp that the next packet is expected to have."""
        self._silence = 0
        """Samples of silence since audio last arrived."""
        self._history = silence(_HISTORY)

    @property
    def waiting(self) -> bool:
        """Whether packets are held back for another that is late."""
        return self._buffer.waiting

    def push(self, packet: Packet, now: float) -> list[Audio | Silence]:
        """Take a packet; returns the audio that is in order now."""
        self._last = now
        return self._decode(self._buffer.push(packet, now))

    def due(self, now: float) -> list[Audio | Silence]:
        """Commands for the time that has passed: packets whose wait is over, and silence while none arrive."""
        commands = self._decode(self._buffer.due(now))
        owed = round((now - self._began) * INPUT_RATE) - self._produced
        if now - self._last >= PATIENCE_S and owed >= STEP_S * INPUT_RATE:
            self._silence += owed
            self._produced += owed
            commands.append(Silence(owed))
        return commands

    def _decode(self, packets: list[Packet]) -> list[Audio | Silence]:
        return [Audio(pcm) for packet in packets if len(pcm := self._take(packet))]

    def _take(self, packet: Packet) -> Pcm:
        """A packet's audio, after that which conceals the gap before it."""
        try:
            pcm = self._decoder.decode(packet.payload)
        except av.FFmpegError:
            pcm = silence(0)
        if not len(pcm):
            return pcm  # the next packet's timestamp shows the gap
        gap = 0
        if self._next is not None:
            step = (packet.timestamp - self._next + 2**31) % 2**32 - 2**31
            gap = step // _TICKS if 0 < step <= _MAX_GAP * _TICKS else 0
        concealment = conceal(self._history, max(0, gap - self._silence))
        self._next = (packet.timestamp + len(pcm) * _TICKS) % 2**32
        sound: Pcm = np.concatenate((concealment, pcm))
        self._history = np.concatenate((self._history, sound))[-_HISTORY:]
        self._silence = 0
        self._produced += len(sound)
        return sound


def conceal(before: Pcm, samples: int) -> Pcm:
    """Audio in place of `samples` lost samples: the last pitch period repeated and faded (ITU-T G.711 appendix I)."""
    concealed = silence(samples)
    if not samples:
        return concealed
    shortest, longest = _PITCH
    recent = before[-longest:]
    similarity = [np.dot(recent, before[-longest - lag : -lag]) for lag in range(shortest, longest)]
    period = before[-(shortest + int(np.argmax(similarity))) :]
    count = min(samples, _FADE_SAMPLES)
    concealed[:count] = np.resize(period, count) * np.linspace(1, 0, _FADE_SAMPLES, dtype=np.float32)[:count]
    return concealed
