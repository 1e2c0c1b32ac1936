"""The sound that comes in by RTP, made into what an agent listens to: in order and without holes."""

import av
import numpy as np

from pipeline.audio import INPUT_RATE, silence
from pipeline.commands import Audio, Silence
from realtime.idle import PATIENCE_S, STEP_S
from realtime.opus import RTP_RATE, OpusDecoder
from realtime.reordering import Packet, Reordering
from tts.synthesizer import Pcm

_TICKS = RTP_RATE // INPUT_RATE
"""Of a time stamp, in one of the agent's samples."""
_LARGEST_HOLE = INPUT_RATE
"""Samples. What jumps further has another clock from here on: of real time, `due` has let none pass by."""
_FADE_SAMPLES = round(0.06 * INPUT_RATE)
"""Of what stands in for a lost packet. A voice that goes on for longer sounds like a machine."""
_PITCH = (INPUT_RATE // 400, INPUT_RATE // 66)
"""Shortest and longest period of a voice, in samples."""
_HISTORY = 3 * _PITCH[1]


class Reception:
    """One sender's packets to commands for the agent, whose clock counts the samples. It is told the time.

    A packet's time stamp says where its sound belongs: a hole before it is filled, as far as silence hasn't yet. Sound
    that was only late is heard behind the silence that stood in for it; so much less silence comes next time.
    """

    def __init__(self, now: float) -> None:
        self._reordering = Reordering()
        self._decoder = OpusDecoder()
        self._began = self._last = now
        """When it all began, and when sound came last, in seconds."""
        self._heard = 0
        """Samples in all commands so far."""
        self._next: int | None = None
        """Time stamp that the next sound is expected to have."""
        self._silence = 0
        """Samples of it since the last sound."""
        self._history = silence(_HISTORY)

    @property
    def waiting(self) -> bool:
        """Whether packets are held back for another that is late."""
        return self._reordering.waiting

    def push(self, packet: Packet, now: float) -> list[Audio | Silence]:
        self._last = now
        return self._decode(self._reordering.push(packet, now))

    def due(self, now: float) -> list[Audio | Silence]:
        """What is to be heard because time goes by: packets that waited in vain, or silence, while none come."""
        commands = self._decode(self._reordering.due(now))
        owed = round((now - self._began) * INPUT_RATE) - self._heard
        if now - self._last >= PATIENCE_S and owed >= STEP_S * INPUT_RATE:
            self._silence += owed
            self._heard += owed
            commands.append(Silence(owed))
        return commands

    def _decode(self, packets: list[Packet]) -> list[Audio | Silence]:
        return [Audio(pcm) for packet in packets if len(pcm := self._take(packet))]

    def _take(self, packet: Packet) -> Pcm:
        """A packet's sound, behind what fills the hole before it."""
        try:
            pcm = self._decoder.decode(packet.payload)
        except av.FFmpegError:
            pcm = silence(0)
        if not len(pcm):
            return pcm  # its place is filled when the next one comes
        hole = 0
        if self._next is not None:
            jump = (packet.timestamp - self._next + 2**31) % 2**32 - 2**31
            hole = jump // _TICKS if 0 < jump <= _LARGEST_HOLE * _TICKS else 0
        filling = conceal(self._history, max(0, hole - self._silence))
        self._next = (packet.timestamp + len(pcm) * _TICKS) % 2**32
        sound: Pcm = np.concatenate((filling, pcm))
        self._history = np.concatenate((self._history, sound))[-_HISTORY:]
        self._silence = 0
        self._heard += len(sound)
        return sound


def conceal(before: Pcm, samples: int) -> Pcm:
    """What stands in for lost samples: the voice's last period over and over, fading (as in G.711 appendix I)."""
    hidden = silence(samples)
    if not samples:
        return hidden
    shortest, longest = _PITCH
    recent = before[-longest:]
    likeness = [np.dot(recent, before[-longest - lag : -lag]) for lag in range(shortest, longest)]
    period = before[-(shortest + int(np.argmax(likeness))) :]
    count = min(samples, _FADE_SAMPLES)
    hidden[:count] = np.resize(period, count) * np.linspace(1, 0, _FADE_SAMPLES, dtype=np.float32)[:count]
    return hidden
