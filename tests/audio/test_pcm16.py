"""16-bit samples and floats."""

import io

import numpy as np
import pytest
import soundfile

from audio.pcm16 import decode_pcm16, encode_pcm16, wav_file


def test_every_16_bit_sample_comes_back_as_it_was() -> None:
    samples = np.arange(-32768, 32768).astype("<i2").tobytes()
    assert encode_pcm16(decode_pcm16(samples)) == samples


def test_samples_outside_full_scale_are_clipped() -> None:
    assert encode_pcm16(np.array([-2, -1, 1, 2], np.float32)) == b"\x00\x80\x00\x80\xff\x7f\xff\x7f"


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3 is odd"):
        decode_pcm16(b"abc")


def test_a_wav_file_has_the_samples_and_their_rate() -> None:
    pcm = np.array([0, 0.5, -0.5], np.float32)
    samples, rate = soundfile.read(io.BytesIO(wav_file(pcm, 16_000)), dtype="float32")
    assert (samples.tolist(), rate) == (pcm.tolist(), 16_000)
