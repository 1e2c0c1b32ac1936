import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import Gemma4AudioFeatureExtractor, VoxtralRealtimeFeatureExtractor, WhisperFeatureExtractor

from audio.pcm import Pcm
from pipeline.encoders.embedding.features import FrontEnd, FrontEndError, GemmaMel, floor_of, scaled
from pipeline.encoders.logmel import HOP
from tests.support.towers import made

WHISPER = {n_mels: made(WhisperFeatureExtractor, feature_size=n_mels, chunk_length=1) for n_mels in (80, 128)}
VOXTRAL = made(VoxtralRealtimeFeatureExtractor)


def sound(samples: int, seed: int = 0) -> Pcm:
    """Noise that gets louder, so that the loudest bin keeps moving."""
    noise = np.random.default_rng(seed).standard_normal(samples, np.float32)
    return noise * np.linspace(0.001, 0.3, samples, dtype=np.float32)


@given(
    samples=st.integers(300, 9000),
    blocks=st.lists(st.integers(0, 900), max_size=12),
    n_mels=st.sampled_from((80, 128)),
    mirror=st.booleans(),
)
def test_frames_are_the_extractors_own(samples: int, blocks: list[int], n_mels: int, mirror: bool) -> None:
    """With silence after the audio and with the audio reflected: as extractors do that pad, and that do not."""
    pcm = sound(samples, seed=samples)
    expected = WHISPER[n_mels](
        pcm, sampling_rate=16_000, padding="do_not_pad" if mirror else "max_length"
    ).input_features[0]
    mel = FrontEnd.of(WHISPER[n_mels]).open()
    at = 0
    for block in [*blocks, samples]:
        mel.push(pcm[at : at + block])
        at += block
    frames = samples // HOP if mirror else 100
    log_mels = mel.unscaled(frames, mirror)
    np.testing.assert_allclose(scaled(log_mels, floor_of(float(log_mels.max()))), expected[:, :frames], atol=2e-6)


def test_the_loudest_is_that_of_the_frames_that_are_finished() -> None:
    mel = FrontEnd.of(WHISPER[80]).open()
    mel.push(sound(4000))
    assert mel.finished == (4000 - 200) // HOP + 1
    assert mel.loudest == mel.unscaled(mel.finished).max()
    before = mel.drop(10)
    assert before.shape == (80, 10)
    assert mel.finished == (4000 - 200) // HOP - 9


def test_voxtrals_floor_is_fixed() -> None:
    pcm = sound(8000) * 0.01
    mel = FrontEnd.of(VOXTRAL).open()
    mel.push(pcm)
    expected = VOXTRAL(pcm, sampling_rate=16_000).input_features[0]
    found = scaled(mel.unscaled(50, mirror=True), floor_of(VOXTRAL.global_log_mel_max))
    np.testing.assert_allclose(found, expected, atol=2e-6)


@given(samples=st.integers(1, 9000), blocks=st.lists(st.integers(0, 900), max_size=12), normalized=st.booleans())
def test_gemmas_frames_are_its_extractors_own(samples: int, blocks: list[int], normalized: bool) -> None:
    statistics = np.linspace(1, 2, 128).tolist() if normalized else None
    extractor = Gemma4AudioFeatureExtractor(per_bin_mean=statistics, per_bin_stddev=statistics)
    pcm = sound(samples, seed=samples)
    mel = GemmaMel(extractor)
    at = 0
    frames = []
    for block in [*blocks, samples]:
        frames.append(mel.push(pcm[at : at + block]))
        at += block
    found = np.concatenate(frames)
    seen = extractor([np.pad(pcm, (0, max(0, 400 - samples)))])  # fewer than a window's are too few for it
    expected = seen.input_features[0][seen.input_features_mask[0]]
    count = max(0, (samples - 161) // HOP + 1)
    assert len(found) == count
    np.testing.assert_allclose(found, expected[:count], atol=2e-6)


@pytest.mark.parametrize(
    "extractor",
    [
        made(WhisperFeatureExtractor, n_fft=512),
        made(WhisperFeatureExtractor, hop_length=320),
        made(WhisperFeatureExtractor, dither=0.1),
    ],
)
def test_what_no_model_is_known_to_have_is_refused(extractor: WhisperFeatureExtractor) -> None:
    with pytest.raises(FrontEndError, match=r"supported are 400, 160, 16000"):
        FrontEnd.of(extractor)


def test_so_is_what_gemma_is_not_known_to_have() -> None:
    with pytest.raises(FrontEndError, match=r"preemphasis 0\.97"):
        GemmaMel(Gemma4AudioFeatureExtractor(preemphasis=0.97))
