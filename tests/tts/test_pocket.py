"""Pocket TTS with a small random model of its own classes: what it says is noise, how it says it is real."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from tts.chunks import CHUNK_S
from tts.pocket import Pocket
from tts.synthesizer import Clause, Speech, SpeechFailed, UnknownVoice, Word, WordTime

RATE = 24_000
LETTERS = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?'"

SEANET = {
    **{"dimension": 16, "channels": 1, "n_filters": 4, "n_residual_layers": 1, "ratios": [6, 5, 4], "kernel_size": 7},
    **{"residual_kernel_size": 3, "last_kernel_size": 3, "dilation_base": 2, "pad_mode": "constant", "compress": 2},
}
TRANSFORMER = {
    **{"d_model": 16, "num_heads": 2, "num_layers": 1, "layer_scale": 0.01, "context": 50, "dim_feedforward": 32},
    **{"input_dimension": 16, "output_dimensions": [16]},
}


def clause(text: str) -> Clause:
    return Clause(tuple(Word(word, word) for word in text.split()), ".")


HELLO = clause("Hello there my friend")


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Pocket:
    return small_pocket(tmp_path_factory.mktemp("pocket"))


def small_pocket(folder: Path) -> Pocket:
    """A model whose weights are random, with the voice of a recording and one that can't be had."""
    vocabulary = {"<unk>": 0, **{letter: i for i, letter in enumerate(LETTERS, 1)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    table = {"dim": 16, "n_bins": len(vocabulary), "tokenizer": "json"}
    speech_model = {
        "dtype": "float32",
        "flow": {"depth": 1, "dim": 16, "type": "pointwise"},
        "transformer": {"d_model": 16, "hidden_scale": 2, "max_period": 10000, "num_heads": 2, "num_layers": 1},
        "lookup_table": table | {"tokenizer_path": str(folder / "tokenizer.json")},
    }
    codec = {
        **{"dtype": "float32", "sample_rate": RATE, "channels": 1, "frame_rate": 12.5},
        **{"seanet": SEANET, "transformer": TRANSFORMER, "quantizer": {"dimension": 8, "output_dimension": 16}},
    }
    # A random model seldom says that it is done: with this threshold never, up to the longest that the text may take.
    config = {"flow_lm": speech_model, "mimi": codec, "default_eos_threshold": 1e9}
    (folder / "small.yaml").write_text(json.dumps(config))
    recording = folder / "ann.wav"
    soundfile.write(recording, np.random.default_rng(0).normal(scale=0.1, size=2 * 16_000), 16_000)
    torch.manual_seed(0)
    return Pocket.load(str(folder / "small.yaml"), [str(recording), "nobody"])


def ann(pocket: Pocket) -> str:
    return pocket.voices[0].name


def spoken(pocket: Pocket, what: Clause = HELLO) -> list[Speech]:
    return list(pocket.open(ann(pocket)).speak(what))


def test_speaks_in_chunks_with_all_words(pocket: Pocket) -> None:
    speech = spoken(pocket)
    assert pocket.open(ann(pocket)).sample_rate == RATE
    assert all(0 <= chunk.pcm.size <= CHUNK_S * RATE for chunk in speech)
    assert all(chunk.pcm.dtype == np.float32 and np.isfinite(chunk.pcm).all() for chunk in speech)
    assert sum(chunk.pcm.size for chunk in speech) > 1.0 * RATE
    assert [word.index for chunk in speech for word in chunk.words] == [0, 1, 2, 3]


def test_the_first_frame_is_heard_before_the_last_is_made(pocket: Pocket, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, go_on = pace(pocket, monkeypatch)
    go_on.release(3)
    chunks = pocket.open(ann(pocket)).speak(HELLO)
    assert next(chunks).pcm.size > 0
    assert len(steps) <= 4
    go_on.release(1000)
    for _ in chunks:
        pass
    assert len(steps) > 4


def pace(pocket: Pocket, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], threading.Semaphore]:
    """What the model does, step by step, and a semaphore that each frame waits for."""
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


def test_two_conversations_take_turns(pocket: Pocket) -> None:
    one, other = (pocket.open(ann(pocket)).speak(HELLO) for _ in range(2))
    first = next(one)
    rest = [chunk.pcm.size for chunk in other]
    assert first.pcm.size + sum(chunk.pcm.size for chunk in one) > RATE
    assert sum(rest) > RATE


def test_a_voice_that_cannot_be_had_is_told(pocket: Pocket) -> None:
    with pytest.raises(SpeechFailed, match="Pocket TTS failed"):
        list(pocket.open("nobody").speak(HELLO))
    with pytest.raises(UnknownVoice, match="nobody"):
        pocket.open("bob")


def test_silent_words_need_no_model(pocket: Pocket) -> None:
    (speech,) = spoken(pocket, Clause((Word("😀", ""),)))
    assert (speech.pcm.size, speech.words) == (0, (WordTime(0, 0, 0),))
