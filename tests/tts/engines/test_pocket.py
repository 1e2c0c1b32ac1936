"""Pocket TTS with a small random model of its own classes: the audio is noise, the rest real."""

import threading

import numpy as np
import pytest
import torch

from tests.support.small_pocket import RATE, small_pocket
from tts.engines.chunks import CHUNK_S
from tts.engines.pocket import PocketSynthesizer
from tts.synthesizer import Clause, Speech, SpeechFailed, UnknownVoice, Word, WordTime


def clause(text: str) -> Clause:
    return Clause(tuple(Word(word, word) for word in text.split()), ".")


HELLO = clause("Hello there my friend")


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> PocketSynthesizer:
    return small_pocket(tmp_path_factory.mktemp("pocket"))


def ann(pocket: PocketSynthesizer) -> str:
    return pocket.voices[0].name


def spoken(pocket: PocketSynthesizer, what: Clause = HELLO) -> list[Speech]:
    return list(pocket.open(ann(pocket)).speak(what))


def test_speaks_in_chunks_with_all_words(pocket: PocketSynthesizer) -> None:
    speech = spoken(pocket)
    assert pocket.open(ann(pocket)).sample_rate == RATE
    assert all(0 <= chunk.pcm.size <= CHUNK_S * RATE for chunk in speech)
    assert all(chunk.pcm.dtype == np.float32 and np.isfinite(chunk.pcm).all() for chunk in speech)
    assert sum(chunk.pcm.size for chunk in speech) > 1.0 * RATE
    assert [word.index for chunk in speech for word in chunk.words] == [0, 1, 2, 3]


def test_the_first_frame_arrives_before_the_last_is_made(
    pocket: PocketSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, go_on = pace(pocket, monkeypatch)
    go_on.release(3)
    chunks = pocket.open(ann(pocket)).speak(HELLO)
    assert next(chunks).pcm.size > 0
    assert len(steps) <= 4
    go_on.release(1000)
    for _ in chunks:
        pass
    assert len(steps) > 4


def pace(pocket: PocketSynthesizer, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], threading.Semaphore]:
    """The steps that the model has taken, and a semaphore that each frame waits for."""
    steps: list[str] = []
    go_on = threading.Semaphore(0)
    run = pocket.model._run_flow_lm_and_increment_step

    def paced(**inputs: torch.Tensor) -> object:
        if "backbone_input_latents" in inputs:
            go_on.acquire()
            steps.append("frame")
        else:
            steps.append("text")
        return run(**inputs)

    monkeypatch.setattr(pocket.model, "_run_flow_lm_and_increment_step", paced)
    return steps, go_on


def test_two_conversations_take_turns(pocket: PocketSynthesizer) -> None:
    one, other = (pocket.open(ann(pocket)).speak(HELLO) for _ in range(2))
    first = next(one)
    rest = [chunk.pcm.size for chunk in other]
    assert first.pcm.size + sum(chunk.pcm.size for chunk in one) > RATE
    assert sum(rest) > RATE


def test_a_voice_that_cannot_be_loaded_is_reported(pocket: PocketSynthesizer) -> None:
    with pytest.raises(SpeechFailed, match="Pocket TTS failed"):
        list(pocket.open("nobody").speak(HELLO))
    with pytest.raises(UnknownVoice, match="nobody"):
        pocket.open("bob")


def test_silent_words_need_no_model(pocket: PocketSynthesizer) -> None:
    (speech,) = spoken(pocket, Clause((Word("😀", ""),)))
    assert (speech.pcm.size, speech.words) == (0, (WordTime(0, 0, 0),))
