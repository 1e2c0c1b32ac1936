"""What is spoken is kept, by voices that each belong to one split; at another speed it is as high as before."""

from pathlib import Path

import numpy as np
import pytest

from audio.pcm import INPUT_RATE, Pcm
from training.data.acoustic import SPLITS
from training.data.effects import stretched
from training.data.spoken import KeptSpeaker


@pytest.mark.parametrize("speed", [0.65, 0.75, 1.3, 1.55])
def test_stretching_changes_the_length_and_not_the_pitch(speed: float) -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(2 * INPUT_RATE) / INPUT_RATE).astype(np.float32)
    made = stretched(tone, speed)
    assert len(made) == pytest.approx(len(tone) / speed, rel=0.02)
    assert np.argmax(np.abs(np.fft.rfft(made))) * INPUT_RATE / len(made) == pytest.approx(220, rel=0.01)


def silent(text: str) -> Pcm:
    return np.zeros(len(text), dtype=np.float32)


def test_every_voice_is_in_one_split(tmp_path: Path) -> None:
    speaker = KeptSpeaker({f"voice {number:02}": silent for number in range(54)}, tmp_path)
    voices = [set(speaker.voices(split)) for split in SPLITS]
    assert [len(one) for one in voices] == [37, 6, 11]
    assert len(set.union(*voices)) == 54


def test_a_sentence_is_spoken_once(tmp_path: Path) -> None:
    spoken = []

    def speak(text: str) -> Pcm:
        spoken.append(text)
        return np.concatenate((np.zeros(50), np.full(100, 0.5), np.zeros(50))).astype(np.float32)

    for _ in range(2):
        pcm = KeptSpeaker({"voice": speak}, tmp_path).say("Hello.", "voice", 1)
        assert pcm.tolist() == pytest.approx([0.5] * 100, abs=1e-4), "without the silence at its ends"
    assert spoken == ["Hello."]
