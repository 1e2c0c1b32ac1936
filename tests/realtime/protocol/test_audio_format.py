"""What goes over the wire comes back as it was, and the resampled stream has no seams."""

import base64
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.pcm import Pcm
from realtime.protocol.audio_format import AudioFormat, Encoding, InputDecoder
from realtime.protocol.input_audio import read_clip

ULAW = AudioFormat("audio/pcmu", 8_000)
ALAW = AudioFormat("audio/pcma", 8_000)


def int16(value: int) -> Pcm:
    return np.array([value / 32768], dtype=np.float32)


def tone(hz: float, rate: int, seconds: float) -> Pcm:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@given(st.lists(st.integers(-32768, 32767)))
def test_pcm16_comes_back_exactly(values: list[int]) -> None:
    data = np.array(values, dtype="<i2").tobytes()
    assert AudioFormat().encode(AudioFormat().decode(data)) == data


def test_loud_audio_is_clipped() -> None:
    assert AudioFormat().encode(np.array([1.0, 7.0, -1.0, -7.0], dtype=np.float32)) == (
        b"\xff\x7f\xff\x7f\x00\x80\x00\x80"
    )


@pytest.mark.parametrize(
    ("wire", "code", "sample"),
    [
        (ULAW, 0xFF, 0),
        (ULAW, 0x80, 32124),
        (ULAW, 0x00, -32124),
        (ULAW, 0xF0, 120),
        (ULAW, 0xE0, 372),
        (ALAW, 0xD5, 8),
        (ALAW, 0x55, -8),
        (ALAW, 0xAA, 32256),
        (ALAW, 0x2A, -32256),
        (ALAW, 0x80, 5504),
    ],
)
def test_g711_codes_have_the_values_of_the_standard(wire: AudioFormat, code: int, sample: int) -> None:
    assert wire.decode(bytes([code])) == int16(sample)
    assert wire.encode(int16(sample)) == bytes([code])


@pytest.mark.parametrize(
    ("wire", "sample", "code"),
    [
        (ULAW, 32767, 0x80),
        (ULAW, -32768, 0x00),
        (ULAW, 1000, 0xCE),
        (ULAW, -1000, 0x4E),
        (ULAW, -1, 0x7F),
        (ALAW, 32767, 0xAA),
        (ALAW, -32768, 0x2A),
        (ALAW, 1000, 0xFA),
        (ALAW, -1000, 0x7A),
        (ALAW, -1, 0x55),
    ],
)
def test_samples_between_the_codes_fall_on_the_interval_of_the_standard(
    wire: AudioFormat, sample: int, code: int
) -> None:
    assert wire.encode(int16(sample)) == bytes([code])


@pytest.mark.parametrize(("wire", "twin"), [(ULAW, {0x7F: 0xFF}), (ALAW, {})])
def test_every_g711_code_comes_back(wire: AudioFormat, twin: dict[int, int]) -> None:
    """μ-law has two zeros; the negative one comes back as the positive."""
    codes = bytes(range(256))
    assert wire.encode(wire.decode(codes)) == bytes(twin.get(code, code) for code in codes)


@pytest.mark.parametrize("wire", [ULAW, ALAW])
def test_g711_keeps_36_db_of_a_loud_tone(wire: AudioFormat) -> None:
    clean = tone(440, 8_000, 1)
    noise = wire.decode(wire.encode(clean)) - clean
    assert 10 * np.log10(np.mean(clean**2) / np.mean(noise**2)) > 36


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3 is odd"):
        InputDecoder(AudioFormat()).push(b"abc")


@pytest.mark.parametrize("rate", [24_000, 16_000, 8_000])
@given(cuts=st.lists(st.integers(1, 3_000), min_size=1, max_size=12))
def test_a_stream_has_no_seams(rate: int, cuts: list[int]) -> None:
    """However it is cut into appends, the same samples come out."""
    wire = AudioFormat("audio/pcm", rate)
    data = wire.encode(tone(300, rate, sum(cuts) / rate))
    decoder = InputDecoder(wire)
    places = np.cumsum([0, *cuts]) * 2
    pieces = [decoder.push(data[start:end]) for start, end in pairwise(places)]
    assert np.array_equal(np.concatenate(pieces), InputDecoder(wire).push(data))


@pytest.mark.parametrize(("rate", "held_back_ms"), [(24_000, 10), (16_000, 0), (8_000, 30)])
def test_a_stream_holds_back_little(rate: int, held_back_ms: int) -> None:
    wire, decoder, samples = AudioFormat("audio/pcm", rate), InputDecoder(AudioFormat("audio/pcm", rate)), 0
    for block in range(1, 200):
        samples += len(decoder.push(wire.encode(np.zeros(rate // 100, dtype=np.float32))))
        assert block * 10 - samples / 16 <= held_back_ms


@pytest.mark.parametrize("encoding", ["audio/pcm", "audio/pcmu", "audio/pcma"])
def test_a_tone_keeps_its_pitch_and_its_level(encoding: Encoding) -> None:
    rate = 24_000 if encoding == "audio/pcm" else 8_000
    wire = AudioFormat(encoding, rate)
    data = wire.encode(tone(1_000, rate, 1))
    *_, clip = read_clip(base64.b64encode(data).decode(), wire, 2, "audio")
    assert clip is not None
    for pcm in (InputDecoder(wire).push(data), clip):
        middle = pcm[4_000:12_000]
        assert np.argmax(np.abs(np.fft.rfft(middle))) * 2 == 1_000
        assert np.max(np.abs(middle)) == pytest.approx(0.5, abs=0.02)
