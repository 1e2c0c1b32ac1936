"""16-bit samples and floats."""

import numpy as np
import pytest

from audio.pcm16 import decode_pcm16, encode_pcm16


def test_every_16_bit_sample_comes_back_as_it_was() -> None:
    samples = np.arange(-32768, 32768).astype("<i2").tobytes()
    assert encode_pcm16(decode_pcm16(samples)) == samples


def test_samples_outside_full_scale_are_clipped() -> None:
    assert encode_pcm16(np.array([-2, -1, 1, 2], np.float32)) == b"\x00\x80\x00\x80\xff\x7f\xff\x7f"


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3 is odd"):
        decode_pcm16(b"abc")
