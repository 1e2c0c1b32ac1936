"""Sound files, written piece by piece and read again."""

import numpy as np
import pytest

from realtime.speech.audio_files import FORMATS, PCM_RATE, FileFormat, FileWriter, NotAudio, TooLong, read_audio

_RATE = 22_050
_TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * _RATE) / _RATE)).astype(np.float32)


def written(file_format: FileFormat) -> list[bytes]:
    writer = FileWriter(file_format, _RATE)
    return [*(writer.push(_TONE[start : start + 4_410]) for start in range(0, len(_TONE), 4_410)), writer.finish()]


@pytest.mark.parametrize("file_format", [name for name in FORMATS if name != "pcm"])
def test_what_was_written_is_read_again(file_format: FileFormat) -> None:
    pieces = written(file_format)
    pcm = read_audio(b"".join(pieces), longest_s=10)
    assert len(pcm) / 16_000 == pytest.approx(2, abs=0.1)
    assert np.sqrt(np.mean(np.square(pcm))) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    strongest = np.abs(np.fft.rfft(pcm)).argmax() * 16_000 / len(pcm)
    assert strongest == pytest.approx(440, abs=2)


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_file_is_sent_while_it_is_made(file_format: FileFormat) -> None:
    pieces = written(file_format)
    whole = sum(map(len, pieces))
    assert sum(map(len, pieces[: len(pieces) // 2])) > 0.3 * whole


def test_pcm_is_headerless_at_24_khz() -> None:
    samples = np.frombuffer(b"".join(written("pcm")), "<i2")
    assert len(samples) == 2 * PCM_RATE


@pytest.mark.parametrize("data", [b"", b"no audio at all", b"RIFF\xff\xff\xff\xffWAVE", b"".join(written("mp3"))[:40]])
def test_what_holds_no_audio_is_refused(data: bytes) -> None:
    with pytest.raises(NotAudio):
        read_audio(data, longest_s=10)


def test_audio_is_bounded() -> None:
    with pytest.raises(TooLong, match="longer than 1 s"):
        read_audio(b"".join(written("flac")), longest_s=1)
