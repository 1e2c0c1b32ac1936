"""One word is a whole answer: "Eight." is recognized once, whatever the voice, the silence around it and the level."""

import numpy as np
import pytest

from audio.pcm import INPUT_RATE, Pcm
from bench.corpus import Recording, read_corpus
from bench.speech.wer import repeated
from pipeline.encoders.whisper.whisper import WhisperEncoder
from pipeline.weights.store import ModelStore
from tests.support.speech import RECORDINGS, noise

WORDS = {word.name: word for word in read_corpus(RECORDINGS / "short_words", ["short"], INPUT_RATE)}
SILENCES_S = (0.0, 0.2, 0.5)
"""Silence after the recording's own 64 ms: of a turn that ends at once, and of ones that wait."""


@pytest.fixture(scope="module")
def whisper() -> WhisperEncoder:
    """In exact arithmetic: what int8 makes of a soft word depends on the CPU's instructions."""
    return WhisperEncoder(ModelStore().resolve("whisper-tiny.en"), "float32", threads=1)


def followed_by_silence(word: Recording, seconds: float) -> Pcm:
    return np.concatenate([word.pcm, noise(seconds, -65)])


@pytest.mark.parametrize("name", WORDS)
def test_a_word_is_written_once(whisper: WhisperEncoder, name: str) -> None:
    word = WORDS[name]
    for silence_s in SILENCES_S:
        for gain in (1.0, 0.3):
            pcm = followed_by_silence(word, silence_s) * np.float32(gain)
            stream = whisper.open()
            stream.push(pcm)
            heard = stream.finish().text
            assert not repeated(word.text, heard), (silence_s, gain, heard)
