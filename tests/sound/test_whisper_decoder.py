"""Whisper's text decoder in ONNX Runtime: what CTranslate2 writes, whatever was guessed before."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import pytest

from audio.pcm import INPUT_RATE
from audio.sound_file import read_wav
from pipeline.encoders.logmel import LogMel
from pipeline.encoders.whisper.model import Encoding
from pipeline.encoders.whisper.text_decoder import TextDecoder, Written
from pipeline.encoders.whisper.vocabulary import Vocabulary
from pipeline.encoders.whisper.weights_file import WeightsFile
from pipeline.encoders.whisper.whisper import WhisperEncoder
from pipeline.weights.store import ModelStore
from tests.support.speech import RECORDINGS

PROMPT = (50257, 50362)
"""Tokens of Whisper tiny.en: the start of a transcript without time stamps."""
LIMIT = 60


@pytest.fixture(scope="module")
def folder() -> Path:
    return ModelStore().resolve("whisper-tiny.en")


@pytest.fixture(scope="module")
def decoder(folder: Path) -> TextDecoder:
    return TextDecoder(folder, True, 1, Vocabulary(folder))


@pytest.fixture(scope="module")
def encodings(folder: Path) -> list[Encoding]:
    return [encoded(folder, path.name) for path in sorted(RECORDINGS.glob("turn_*.wav"))[:4]]


def encoded(folder: Path, name: str) -> Encoding:
    whisper = WhisperEncoder(folder, "int8", 1)
    mels = LogMel(whisper.n_mels)
    mels.push(read_wav(RECORDINGS / name, INPUT_RATE))
    return whisper.encode(mels.unscaled())


def write(decoder: TextDecoder, encoding: Encoding, prefix: Sequence[int] = (), guess: Sequence[int] = ()) -> Written:
    return decoder.write(encoding[0], PROMPT, 0, prefix, guess, LIMIT)


@pytest.mark.parametrize("quantized", [True, False])
def test_it_writes_what_ctranslate2_writes(folder: Path, encodings: list[Encoding], quantized: bool) -> None:
    decoder = TextDecoder(folder, quantized, 1, Vocabulary(folder))
    model = ctranslate2.models.Whisper(str(folder), compute_type="int8" if quantized else "float32")
    for encoding in encodings:
        storage = ctranslate2.StorageView.from_array(encoding)
        options = {"beam_size": 1, "return_scores": True, "return_no_speech_prob": True}
        (expected,) = model.generate(storage, [list(PROMPT)], **options)
        found = write(decoder, encoding)
        assert list(found.tokens) == expected.sequences_ids[0]
        assert found.logprob == pytest.approx(expected.scores[0] * len(found.tokens), abs=0.5)
        assert found.no_speech == pytest.approx(expected.no_speech_prob, abs=0.05)


def test_a_guess_changes_nothing_but_the_number_of_passes(
    decoder: TextDecoder, encodings: list[Encoding], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, passes = decoder._run, 0

    def counting(*arguments: Any) -> Any:  # noqa: ANN401
        nonlocal passes
        passes += 1
        return run(*arguments)

    monkeypatch.setattr(decoder, "_run", counting)
    for encoding in encodings:
        alone = write(decoder, encoding)
        words = alone.tokens
        for guess, most in (
            (words, 1),
            (words[:-2], 3),
            ((*words[:3], 284, *words[3:]), 2),  # a word too much
            ((*words[:3], *words[4:]), 2),  # a word less
            ((*words[:3], 284, *words[4:]), 3),  # another word
            ((*words, *words), 2),
            ((284,) * 50, len(words) + 1),
        ):
            passes = 0
            found = write(decoder, encoding, guess=guess)
            assert found.tokens == words
            # Tokens of one pass share the scale of their int8 arithmetic.
            assert found.logprob == pytest.approx(alone.logprob, abs=0.5)
            assert passes <= most


def test_it_goes_on_after_a_prefix(decoder: TextDecoder, encodings: list[Encoding]) -> None:
    for encoding in encodings:
        words = write(decoder, encoding).tokens
        for guess in ((), words, words[:5], words[1:]):
            assert write(decoder, encoding, words[:4], guess).tokens == words[4:]
        assert write(decoder, encoding, words).tokens == ()


def test_only_what_follows_other_words_begins_with_a_small_letter(folder: Path, decoder: TextDecoder) -> None:
    vocabulary = Vocabulary(folder)
    context = (vocabulary.id("<|startofprev|>"), *vocabulary.tokens("I want to know, and please tell me at once,"))
    encoding = encoded(folder, "turn_05.wav")
    fresh = decoder.write(encoding[0], PROMPT, 0, (), (), LIMIT)
    later = decoder.write(encoding[0], (*context, *PROMPT), len(context), (), (), LIMIT)
    assert vocabulary.text(fresh.tokens).startswith(" Who")
    assert vocabulary.text(later.tokens).startswith(" who")


def test_it_stops_at_the_limit(decoder: TextDecoder, encodings: list[Encoding]) -> None:
    words = write(decoder, encodings[0]).tokens
    for guess in ((), words):
        assert decoder.write(encodings[0][0], PROMPT, 0, words[:1], guess, 4).tokens == words[1:4]


def file_of(tmp_path: Path, version: int, kind: int, data: bytes) -> Path:
    name = struct.pack("=H", 2) + b"w\0"
    variable = name + struct.pack("=B2IBI", 2, 2, 2, kind, len(data)) + data
    scale = struct.pack("=H", 8) + b"w_scale\0" + struct.pack("=BIBI", 1, 2, 0, 8) + struct.pack("=2f", 2, 4)
    kept = variable + (scale if kind == 1 else b"")
    path = tmp_path / "model.bin"
    path.write_bytes(struct.pack("=I", version) + name + struct.pack("=2I", 1, 2 if kind == 1 else 1) + kept)
    return path


@pytest.mark.parametrize(
    ("kind", "data"),
    [(0, struct.pack("=4f", 1, 2, 3, 4)), (4, struct.pack("=4e", 1, 2, 3, 4)), (1, struct.pack("=4b", 2, 4, 12, 16))],
)
def test_weights_are_read_as_they_were_meant(tmp_path: Path, kind: int, data: bytes) -> None:
    weights = WeightsFile(file_of(tmp_path, 6, kind, data))
    assert weights.floats("w").tolist() == [[1, 2], [3, 4]]
    assert weights.rows("w")([1]).tolist() == [[3, 4]]


@pytest.mark.parametrize(("version", "kind", "why"), [(5, 0, "version 5"), (6, 5, "bfloat16")])
def test_weights_that_cannot_be_read_are_refused(tmp_path: Path, version: int, kind: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        WeightsFile(file_of(tmp_path, version, kind, bytes(16)))
