import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given
from hypothesis import strategies as st

from audio.pcm import Pcm
from pipeline.encoders.logmel import HOP, LogMel, LogMels, mel_filters, scaled

REFERENCES = {n_mels: FeatureExtractor(feature_size=n_mels) for n_mels in (80, 128)}


def sound(samples: int, seed: int = 0) -> Pcm:
    """Noise that gets louder, so that the loudest bin keeps moving."""
    noise = np.random.default_rng(seed).standard_normal(samples, np.float32)
    return noise * np.linspace(0.001, 0.3, samples, dtype=np.float32)


def reference(pcm: Pcm, n_mels: int = 80) -> LogMels:
    frames = -(-len(pcm) // HOP)
    features: LogMels = REFERENCES[n_mels](pcm, padding=6 * HOP)
    return features[:, :frames]


def pushed(pcm: Pcm, blocks: list[int], n_mels: int = 80, read: bool = False) -> LogMel:
    mel = LogMel(n_mels)
    at = 0
    for block in [*blocks, len(pcm)]:
        mel.push(pcm[at : at + block])
        at += block
        if read and len(mel):
            mel.unscaled()
    return mel


@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_filters_are_whispers_own(n_mels: int) -> None:
    np.testing.assert_allclose(mel_filters(n_mels), REFERENCES[n_mels].mel_filters, atol=1e-7)


@pytest.mark.parametrize("samples", [1, 160, 200, 201, 202, 399, 400, 401, 640, 16_000, 16_001])
@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_log_mel_is_whispers_own(samples: int, n_mels: int) -> None:
    pcm = sound(samples)
    mel = pushed(pcm, [], n_mels)
    np.testing.assert_allclose(scaled(mel.unscaled(), len(mel)), reference(pcm, n_mels), atol=1e-5)


@given(samples=st.integers(1, 6000), blocks=st.lists(st.integers(0, 900), max_size=12), read=st.booleans())
def test_it_makes_no_difference_how_the_samples_arrive(samples: int, blocks: list[int], read: bool) -> None:
    pcm = sound(samples, seed=samples)
    mel = pushed(pcm, blocks, read=read)
    assert len(mel) == -(-samples // HOP)
    np.testing.assert_allclose(scaled(mel.unscaled(), len(mel)), reference(pcm), atol=1e-5)


@given(samples=st.integers(1, 6000), drop=st.integers(0, 50), more=st.integers(0, 2000))
def test_dropped_frames_leave_the_others_as_they_were(samples: int, drop: int, more: int) -> None:
    pcm = sound(samples + more)
    whole = pushed(pcm, [])
    mel = pushed(pcm[:samples], [])
    mel.drop(drop)
    mel.push(pcm[samples:])
    dropped = len(whole) - len(mel)
    assert dropped <= drop
    np.testing.assert_allclose(mel.unscaled(), whole.unscaled()[:, dropped:], atol=1e-5)


def test_padding_is_the_floor_80_db_below_the_loudest() -> None:
    mel = pushed(sound(3200), [])
    features = scaled(mel.unscaled(), 50)
    assert features.shape == (80, 50)
    assert features.max() - features.min() == pytest.approx(2.0)
    assert (features[:, 20:] == features.min()).all()
