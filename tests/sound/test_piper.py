"""A real Piper voice: exact windows, exact word times, and intelligible speech."""

import json
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import pytest
import soxr
from faster_whisper import WhisperModel
from onnx import helper

from audio.pcm import Pcm
from pipeline.weights.store import ModelStore
from tests.support.speech import word_errors
from tts.engines.chunks import CHUNK_S, PAUSE_S, windows
from tts.engines.piper import PiperSynthesizer, phoneme_ids
from tts.engines.vits import VitsGraph
from tts.frontend.clauses import clauses_of
from tts.frontend.english.phonemes import EnglishPhonemizer
from tts.synthesizer import Clause, Speech, UnknownVoice, Word, WordTime

RATE = 22_050


def config_of(model: Path) -> Path:
    return model.with_name(f"{model.name}.json")


def clause(text: str, stop: str = ".") -> Clause:
    return Clause(tuple(Word(word, word) for word in text.split()), stop)


def spoken(piper: PiperSynthesizer, what: Clause) -> list[Speech]:
    return list(piper.open("en_US-joe-medium").speak(what))


def joined(speech: list[Speech]) -> Pcm:
    return np.concatenate([chunk.pcm for chunk in speech])


def loudness(pcm: Pcm) -> float:
    """Level in dBFS."""
    return float(10 * np.log10(np.mean(pcm**2) + 1e-12))


LONG = clause("The capital of France is Paris, and about two million people live there")


def test_windows_are_exactly_what_one_decoding_gives(voice_model: Path) -> None:
    vits = VitsGraph(voice_model, threads=1)
    table = json.loads(config_of(voice_model).read_text())["phoneme_id_map"]
    ids, _ = phoneme_ids(EnglishPhonemizer()(["The", "capital", "of", "France", "is", "Paris"], "."), ".", table)
    latents = vits.latents(ids, noise=0.667, length=1.0, noise_w=0.8)
    whole = vits.decode(latents, 0, latents.frames)
    parts = [vits.decode(latents, a, b) for a, b in windows(0, latents.frames)]
    assert whole.size == latents.frames * vits.hop == latents.bounds[-1]
    assert np.abs(np.concatenate(parts) - whole).max() < 1e-5


def test_chunks_are_short_and_the_first_is_shortest(piper: PiperSynthesizer) -> None:
    sizes = [chunk.pcm.size for chunk in spoken(piper, LONG)]
    assert max(sizes) <= CHUNK_S * RATE
    assert sizes[0] <= 0.1 * RATE


def test_every_word_has_its_time(piper: PiperSynthesizer) -> None:
    speech = spoken(piper, LONG)
    position = 0
    times: list[WordTime] = []
    for chunk in speech:
        assert all(position <= word.start < position + chunk.pcm.size for word in chunk.words)
        times += chunk.words
        position += chunk.pcm.size
    assert [word.index for word in times] == list(range(len(LONG.words)))
    assert all(word.start < word.end for word in times)
    assert all(one.end <= other.start for one, other in pairwise(times))
    assert times[0].start <= 0.03 * RATE
    assert times[-1].end <= position


def test_words_sound_within_their_times(piper: PiperSynthesizer) -> None:
    speech = spoken(piper, clause("seven, seven, seven"))
    pcm = joined(speech)
    times = [word for chunk in speech for word in chunk.words]
    gaps = [loudness(pcm[one.end + 500 : other.start]) for one, other in pairwise(times)]
    assert min(loudness(pcm[word.start : word.end]) for word in times) > -35
    assert max(gaps) < -35


@pytest.mark.parametrize("stop", [",", "."])
def test_a_pause_follows_by_the_closing_mark(piper: PiperSynthesizer, stop: str) -> None:
    speech = spoken(piper, clause("this is all", stop))
    end = max(word.end for chunk in speech for word in chunk.words)
    assert joined(speech).size - end == pytest.approx(PAUSE_S[stop] * RATE, abs=2)


def test_speed_shortens_the_speech(piper: PiperSynthesizer, voice_model: Path) -> None:
    """Compares the median of several runs, because durations are sampled anew each time."""

    def samples(voice: PiperSynthesizer) -> float:
        return median(joined(spoken(voice, LONG)).size for _ in range(5))

    fast = PiperSynthesizer(voice_model, config_of(voice_model), speed=2)
    assert 0.35 < samples(fast) / samples(piper) < 0.75


def test_a_clause_without_audio_still_reports_its_words(piper: PiperSynthesizer) -> None:
    (speech,) = spoken(piper, Clause((Word("😀", ""),), ""))
    assert (speech.pcm.size, speech.words) == (0, (WordTime(0, 0, 0),))


def test_a_graph_that_cannot_be_cut_speaks_whole_clauses(
    voice_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = onnx.load(voice_model)
    for node in model.graph.node:
        node.output[:] = ["uncut" if name == "output" else name for name in node.output]
    model.graph.node.append(helper.make_node("Softsign", ["uncut"], ["output"]))
    onnx.save(model, tmp_path / "uncut.onnx")
    piper = PiperSynthesizer(tmp_path / "uncut.onnx", config_of(voice_model))
    assert "uncut.onnx is synthesized clause by clause" in caplog.text
    speech = list(piper.open("uncut").speak(LONG))
    times = [word for chunk in speech for word in chunk.words]
    assert [word.index for word in times] == list(range(len(LONG.words)))
    assert all(one.end <= other.start for one, other in pairwise(times))
    assert 3 < joined(speech).size / RATE < 7


def test_an_unknown_voice_is_refused_by_name(piper: PiperSynthesizer) -> None:
    with pytest.raises(UnknownVoice, match="en_US-joe-medium"):
        piper.open("nobody")


def test_a_language_without_phonemizer_is_refused(voice_model: Path, tmp_path: Path) -> None:
    config = config_of(voice_model).read_text().replace('"en-us"', '"de"')
    (tmp_path / "de.json").write_text(config)
    with pytest.raises(ValueError, match="'de'"):
        PiperSynthesizer(voice_model, tmp_path / "de.json")


ANSWERS = (
    "Jupiter is the largest planet in our solar system, and it has 95 known moons.",
    "Sure! Water boils at 100°C at sea level.",
    "The meeting has been moved to Thursday at 3:30 in the afternoon.",
    "You should chop the onions first, then heat some oil in a large pan.",
    "I'm sorry, I didn't quite catch that. Could you say it again?",
    "My favorite recipe calls for **two cups** of flour and a teaspoon of salt.",
    "Albert Einstein was born in 1879, and he developed the theory of relativity.",
    "Your appointment with Dr. Martinez is on October 21st.",
    "You need three things:\n- a hammer\n- some nails\n- a piece of wood",
    "The Great Wall of China is more than 13,000 miles long.",
    "That sounds like a great idea. Let's do it!",
    "Python is a programming language that is easy to read.",
)


def test_what_it_says_is_understood(piper: PiperSynthesizer) -> None:
    recognizer = WhisperModel(str(ModelStore().resolve("whisper-tiny.en")), device="cpu", compute_type="int8")
    voice = piper.open("en_US-joe-medium")
    meant: list[str] = []
    recognized: list[str] = []
    for answer in ANSWERS:
        clauses = clauses_of(answer)
        pcm = joined([speech for part in clauses for speech in voice.speak(part)])
        pcm = np.pad(soxr.resample(pcm, RATE, 16_000), 4_000)
        segments, _ = recognizer.transcribe(pcm, beam_size=1, temperature=0, without_timestamps=True)
        meant.append(" ".join(part.written for part in clauses))
        recognized.append(" ".join(segment.text for segment in segments))
    assert word_errors(" ".join(meant), " ".join(recognized)) <= 0.12, list(zip(meant, recognized, strict=True))
