"""Voices for the tests of the training data: recordings of people, whatever is to be said."""

from collections.abc import Sequence

from audio.pcm import INPUT_RATE, Pcm
from tests.support.speech import recordings
from training.data.acoustic import Split
from training.data.effects import resampled, trimmed

VOICES: dict[Split, tuple[str, ...]] = {
    "train": ("turn_02", "turn_05"),
    "validation": ("turn_03", "turn_04"),
    "test": ("turn_06", "turn_01"),
}


class RecordedSpeaker:
    """Says its recording, at another speed with another pitch."""

    def voices(self, split: Split) -> Sequence[str]:
        return VOICES[split]

    def say(self, text: str, voice: str, speed: float) -> Pcm:
        return resampled(trimmed(recordings()[voice].pcm(INPUT_RATE)), speed)
