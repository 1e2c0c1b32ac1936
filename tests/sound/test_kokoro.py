"""The real Kokoro: windows without seams, the original prosody, word times, and intelligible speech."""

from itertools import pairwise

import numpy as np
import pytest
import soxr
from faster_whisper import WhisperModel

from audio.pcm import Pcm
from pipeline.weights.store import ModelStore
from tests.support.speech import word_errors
from tts.engines.chunks import CHUNK_S, PAUSE_S, QUIET, windows
from tts.engines.kokoro import NORMS, RATE, WINDOWS, KokoroSynthesizer, read_styles, silence, styled
from tts.engines.kokoro_graph import HOP, REACH, KokoroGraph, KokoroLatents, load_norms
from tts.engines.kokoro_phonemes import token_ids
from tts.frontend.clauses import clauses_of
from tts.frontend.english.phonemes import EnglishPhonemizer
from tts.synthesizer import Clause, Speech, UnknownVoice, Word, WordTime

VOICES = {"af_heart", "af_bella", "am_michael", "am_fenrir", "bf_emma", "bm_george"}


def clause(text: str, stop: str = ".") -> Clause:
    return Clause(tuple(Word(word, word) for word in text.split()), stop)


LONG = clause("The capital of France is Paris, and two million live there")
SHORT = clause("I'm sorry, I didn't quite catch that")


def spoken(kokoro: KokoroSynthesizer, what: Clause, voice: str = "af_heart") -> list[Speech]:
    return list(kokoro.open(voice).speak(what))


def joined(speech: list[Speech]) -> Pcm:
    return np.concatenate([chunk.pcm for chunk in speech])


def dbfs(value: float) -> float:
    return float(20 * np.log10(value + 1e-12))


def loudness(pcm: Pcm) -> float:
    return float(10 * np.log10(np.mean(pcm**2) + 1e-12))


def in_frames(graph: KokoroGraph, what: Clause, voice: str) -> tuple[list[int], KokoroLatents]:
    sounds = EnglishPhonemizer()([word.spoken for word in what.words], what.stop)
    ids, _ = token_ids(sounds, what.stop, british=voice.startswith("b"))
    styles = read_styles(ModelStore().resolve("kokoro-voices") / f"{voice}.bin")
    return ids, graph.latents(ids, styled(styles, ids), speed=1.0)


@pytest.fixture(scope="module")
def said(kokoro: KokoroSynthesizer) -> list[Speech]:
    return spoken(kokoro, LONG)


@pytest.mark.parametrize("voice", ["af_heart", "bm_george"])
def test_windows_have_no_seams(kokoro: KokoroSynthesizer, voice: str) -> None:
    ids, latents = in_frames(kokoro.graph, SHORT, voice)
    layers = kokoro.norms[voice].at(silence(ids, latents))
    whole = kokoro.graph.decode(latents, layers, 0, latents.frames)
    parts = [kokoro.graph.decode(latents, layers, *window) for window in windows(0, latents.frames, WINDOWS)]
    assert whole.size == latents.frames * HOP == latents.bounds[-1]
    assert dbfs(float(np.abs(np.concatenate(parts) - whole).max())) < -90


@pytest.mark.parametrize("text", ["Yes, of course", "That sounds lovely"])
def test_what_is_predicted_is_as_loud_as_what_is_measured(kokoro: KokoroSynthesizer, text: str) -> None:
    ids, latents = in_frames(kokoro.graph, clause(text), "bf_emma")
    ((whole, _),) = kokoro.graph.rendered([latents])
    layers = kokoro.norms["bf_emma"].at(silence(ids, latents))
    assert abs(loudness(kokoro.graph.decode(latents, layers, 0, latents.frames)) - loudness(whole)) < 2.5


@pytest.mark.parametrize("voice", sorted(VOICES))
def test_a_single_word_is_as_loud_as_it_should_be(kokoro: KokoroSynthesizer, voice: str) -> None:
    words = [in_frames(kokoro.graph, what, voice) for what in (clause("Yes", "!"), clause("Six"), clause("Nope"))]
    whole = [pcm for pcm, _ in kokoro.graph.rendered(latents for _, latents in words)]
    for (ids, latents), measured in zip(words, whole, strict=True):
        predicted = kokoro.graph.decode(latents, kokoro.norms[voice].at(silence(ids, latents)), 0, latents.frames)
        word = slice(latents.bounds[1], latents.bounds[-2])
        assert abs(loudness(predicted[word]) - loudness(measured[word])) < 5


def test_normalized_as_measured_it_is_what_the_uncut_vocoder_makes(kokoro: KokoroSynthesizer) -> None:
    _, latents = in_frames(kokoro.graph, clause("That sounds lovely"), "af_heart")
    ((whole, layers),) = kokoro.graph.rendered([latents])
    assert dbfs(float(np.abs(kokoro.graph.decode(latents, layers, 0, latents.frames) - whole).max())) < -90


def test_chunks_are_short(said: list[Speech]) -> None:
    assert max(chunk.pcm.size for chunk in said) <= CHUNK_S * RATE


def test_each_window_is_made_before_the_one_before_it_was_played() -> None:
    in_hand = 0.0
    for first, last in windows(0, 1000, WINDOWS):
        decoded = min(first, REACH) + last - first + REACH
        in_hand -= 0.53 * decoded if first else 0.0
        assert in_hand >= 0
        in_hand += last - first


def test_every_word_has_its_time(said: list[Speech]) -> None:
    position = 0
    times: list[WordTime] = []
    for chunk in said:
        assert all(position <= word.start < position + chunk.pcm.size for word in chunk.words)
        times += chunk.words
        position += chunk.pcm.size
    assert [word.index for word in times] == list(range(len(LONG.words)))
    assert all(word.start < word.end for word in times)
    assert all(one.end <= other.start for one, other in pairwise(times))
    assert times[0].start <= 0.06 * RATE
    assert times[-1].end <= position


def test_words_sound_within_their_times(kokoro: KokoroSynthesizer) -> None:
    speech = spoken(kokoro, clause("two, ten, six"), "bm_george")
    pcm = joined(speech)
    times = [word for chunk in speech for word in chunk.words]
    assert min(loudness(pcm[word.start : word.start + 4800]) for word in times) > -30
    # The closure before the "t" is silent.
    assert loudness(pcm[times[0].end - 300 : times[1].start - 300]) < -24
    assert loudness(pcm[times[-1].end :]) < -60


@pytest.mark.parametrize("stop", [",", "."])
def test_a_pause_follows_by_the_closing_mark(kokoro: KokoroSynthesizer, stop: str) -> None:
    speech = spoken(kokoro, clause("this is all", stop))
    pcm = joined(speech)
    end = max(word.end for chunk in speech for word in chunk.words)
    silent = pcm.size - 1 - int(np.flatnonzero(np.abs(pcm) > QUIET)[-1])
    assert silent == PAUSE_S[stop] * RATE or (silent > PAUSE_S[stop] * RATE and pcm.size == end)


def test_there_is_no_silence_before_the_first_word(kokoro: KokoroSynthesizer) -> None:
    pcm = joined(spoken(kokoro, clause("Good morning")))
    assert np.flatnonzero(np.abs(pcm) > 0.01)[0] < 0.1 * RATE


def test_a_clause_that_is_too_long_is_spoken_in_breaths(
    kokoro: KokoroSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tts.engines.kokoro.SEGMENT_SYMBOLS", 20)
    many = Word("5555", "five five five five")
    long = Clause((*SHORT.words[:3], many, *SHORT.words[3:]), ".")
    speech = spoken(kokoro, long)
    times = [word for chunk in speech for word in chunk.words]
    assert [word.index for word in times] == list(range(len(long.words)))
    assert all(one.end <= other.start for one, other in pairwise(times))
    assert times[-1].end <= joined(speech).size


def test_a_clause_without_audio_still_reports_its_words(kokoro: KokoroSynthesizer) -> None:
    (speech,) = spoken(kokoro, Clause((Word("😀", ""),), ""))
    assert (speech.pcm.size, speech.words) == (0, (WordTime(0, 0, 0),))


def test_the_voices(kokoro: KokoroSynthesizer) -> None:
    assert {voice.name for voice in kokoro.voices} == VOICES == set(load_norms(NORMS))
    assert {voice.language for voice in kokoro.voices} == {"en-US", "en-GB"}
    with pytest.raises(UnknownVoice, match="af_heart"):
        kokoro.open("nobody")


ANSWERS = (
    "Jupiter is the largest planet in our solar system, and it has 95 known moons.",
    "I'm sorry, I didn't quite catch that. Could you say it again?",
)


@pytest.mark.parametrize("name", ["af_heart", "bm_george"])
def test_what_it_says_is_understood(kokoro: KokoroSynthesizer, name: str) -> None:
    recognizer = WhisperModel(str(ModelStore().resolve("whisper-tiny.en")), device="cpu", compute_type="int8")
    voice = kokoro.open(name)
    meant: list[str] = []
    recognized: list[str] = []
    for answer in ANSWERS:
        clauses = clauses_of(answer)
        pcm = joined([speech for part in clauses for speech in voice.speak(part)])
        pcm = np.pad(soxr.resample(pcm, RATE, 16_000), 4_000)
        segments, _ = recognizer.transcribe(pcm, beam_size=1, temperature=0, without_timestamps=True)
        meant.append(" ".join(part.written for part in clauses))
        recognized.append(" ".join(segment.text for segment in segments))
    assert word_errors(" ".join(meant), " ".join(recognized)) <= 0.06, list(zip(meant, recognized, strict=True))
