"""WAV files as people have them."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from audio.pcm import Pcm
from audio.sound_file import UnreadableAudio, check_writable, read_wav

RATE = 16_000
TONE: Pcm = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def similar(pcm: Pcm) -> bool:
    return len(pcm) == len(TONE) and bool(np.corrcoef(pcm, TONE)[0, 1] > 0.99)


@pytest.mark.parametrize("kind", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_every_kind_of_sample_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "question.wav"
    soundfile.write(path, TONE, RATE, subtype=kind)
    assert similar(read_wav(path, RATE))


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 96_000])
def test_every_rate_is_read(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "question.wav"
    soundfile.write(path, soxr.resample(TONE, RATE, rate), rate)
    assert similar(read_wav(path, RATE))


@pytest.mark.parametrize("channels", [2, 64])
def test_channels_are_mixed(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "question.wav"
    soundfile.write(path, np.repeat(TONE[:, None], channels, axis=1), RATE)
    assert similar(read_wav(path, RATE))


def test_a_file_that_was_cut_off_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "question.wav"
    soundfile.write(path, TONE, RATE)
    path.write_bytes(path.read_bytes()[: 44 + RATE])
    np.testing.assert_allclose(read_wav(path, RATE), TONE[: RATE // 2], atol=1e-4)


def test_values_that_are_no_sound_are_silence(tmp_path: Path) -> None:
    path = tmp_path / "question.wav"
    soundfile.write(path, np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    assert not read_wav(path, RATE).any()


def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("This is no sound.")
    (tmp_path / "nothing.wav").touch()
    (tmp_path / "raw.raw").write_bytes(bytes(1000))
    os.mkfifo(tmp_path / "pipe.wav")
    soundfile.write(tmp_path / "empty.wav", TONE[:0], RATE)
    soundfile.write(tmp_path / "slow.wav", TONE, 4_000)
    soundfile.write(tmp_path / "long.wav", np.zeros(601 * 8_000, np.float32), 8_000)
    reasons = {
        "text.wav": "Format not recognised",
        "nothing.wav": "Format not recognised",
        "raw.raw": "raw audio",
        "pipe.wav": "not a file",
        ".": "not a file",
        "empty.wav": "no audio",
        "slow.wav": "4000 Hz",
        "long.wav": "601 s long",
        "missing.wav": "there is no file",
        "x" * 300: "name too long",
    }
    for name, reason in reasons.items():
        with pytest.raises(UnreadableAudio, match=reason) as refused:
            read_wav(tmp_path / name, RATE)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing/answer.wav", "no folder"), (".", "it is a folder"), ("answer.mp3", r"\.wav or \.ogg")],
)
def test_a_place_that_takes_no_file_is_refused_beforehand(tmp_path: Path, name: str, reason: str) -> None:
    check_writable(tmp_path / "answer.wav")
    with pytest.raises(UnreadableAudio, match=reason):
        check_writable(tmp_path / name)
