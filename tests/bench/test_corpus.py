"""What the benches are fed with."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.callers.caller import Answered
from bench.conversations.latency import turn_of
from bench.corpus import BadCorpus, Recording, read_corpus, read_json
from bench.speech import synthesis
from bench.speech.synthesis import clause, read_texts
from bench.speech.wer import altered, joined, normalised, word_error_percent
from bench.turn_ends import texts as turn_end_texts
from bench.turn_ends.texts import Texts
from tests.support.speech import RECORDINGS


def recording(pauses: tuple[tuple[float, float], ...] = ()) -> Recording:
    return Recording("a", "turn", "Yes.", np.full(8000, 0.5, np.float32), 0.4, pauses)


def test_the_recordings_of_some_kinds_are_read() -> None:
    (pause,) = read_corpus(RECORDINGS, ("pause",), 24_000)
    assert (pause.name, pause.kind) == ("pause_03", "pause")
    assert pause.last_words_s == 2.7203 < pause.speech_end_s < len(pause.pcm) / 24_000
    assert {turn.kind for turn in read_corpus(RECORDINGS, ("turn", "barge_in"), 16_000)} == {"turn", "barge_in"}


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        (None, "can't be read: No such file"),
        ("{", "can't be used"),
        ('{"items": [{"file": "a.wav"}]}', r"items\.0\.kind: Field required"),
        ('{"items": []}', "no recordings of the kind turn or pause"),
    ],
)
def test_an_unusable_corpus_is_refused_in_plain_words(manifest: str | None, complaint: str, tmp_path: Path) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(BadCorpus, match=complaint):
        read_corpus(tmp_path, ("turn", "pause"), 16_000)


@pytest.mark.parametrize(("content", "complaint"), [(None, "can't be read"), ("\n123\n", "no sentences")])
def test_a_file_without_sentences_is_refused(content: str | None, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BadCorpus, match=complaint):
        read_texts(file)


def test_the_texts_to_judge_are_many_and_not_those_of_the_recordings() -> None:
    texts = read_json(turn_end_texts.TEXTS, Texts)
    assert len(set(texts.finished)) == len(texts.finished) >= 60
    assert len(set(texts.broken_off)) == len(texts.broken_off) >= 60
    spoken = {normalised(item["text"]) for item in json.loads((RECORDINGS / "manifest.json").read_text())["items"]}
    assert spoken.isdisjoint(map(normalised, (*texts.finished, *texts.broken_off)))


def test_sentences_are_spoken_in_one_breath() -> None:
    assert len(read_texts(synthesis.TEXTS)) == 12
    assert clause("Wait, are there 3?").spoken == "Wait, are there three?"
    assert clause("No mark").stop == ""


def test_times_count_from_the_last_sample_of_speech() -> None:
    answered = Answered("a", first_sound_s=0.9, early=1, gaps_s=[0.01, 0.03], heard="Yes.")
    answered.timeline_ms = {"turn_decided": 300, "first_packet": 340}
    turn = turn_of(recording(pauses=((0.1, 0.2),)), answered)
    assert (turn.voice_to_voice_ms, turn.above_pipeline_ms) == pytest.approx((500, 160))
    assert (turn.decided_to_packet_ms, turn.early, turn.pauses, turn.longest_gap_ms) == (40, 1, 1, 30)


def test_what_did_not_happen_has_no_time() -> None:
    turn = turn_of(recording(), Answered("a"))
    assert turn.voice_to_voice_ms is turn.above_pipeline_ms is turn.decided_to_packet_ms is None
    assert turn.longest_gap_ms is None


def test_noise_and_gain_are_what_they_say() -> None:
    (noisy,) = altered([recording()], snr_db=20, gain_db=0)
    noise = noisy.pcm - recording().pcm
    assert 10 * np.log10(0.25 / np.mean(noise**2)) == pytest.approx(20, abs=0.2)
    (softer,) = altered([recording()], snr_db=None, gain_db=-20)
    assert softer.pcm == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("said", "heard", "percent"),
    [
        ("I paid two dollars.", "i paid $2", 0),
        ("The colour is blue-green!", "The color is blue green.", 0),
        ("One two three four.", "1 2 4", 25),
        ("They’re here, and it's not I who can't", "they are here and it is not I who cannot", 0),
        ("A raincoat, any time", "a rain coat anytime", 0),
        ("A rain coat", "A rain bow", 100 / 3),
    ],
)
def test_word_errors(said: str, heard: str, percent: float) -> None:
    assert word_error_percent([(said, heard)]) == pytest.approx(percent)


def test_each_recording_is_followed_by_the_next_one() -> None:
    one, other = recording(), replace(recording(), name="other", text="And then?")
    first, last = joined([one, other])
    assert first.text == f"{one.text} And then?"
    assert last.text == f"And then? {one.text}"
    assert len(first.pcm) == len(one.pcm) + len(other.pcm)
