"""What is made of what was measured of a voice."""

from collections.abc import Iterator

import numpy as np
import pytest

from bench.speech.cutting_off import CUTS, measure
from bench.speech.synthesis import clause
from bench.speech.voices import Sentence, VoiceFigures, loudness_lufs
from tts.synthesizer import Clause, Speech


@pytest.mark.parametrize("rate", [22_050, 24_000, 48_000])
def test_loudness_is_that_of_the_standard(rate: int) -> None:
    # EBU Tech 3341: a sine of 1 kHz whose peaks are at -20 dBFS, on one channel, has -23 LUFS.
    sine = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(5 * rate) / rate)
    assert loudness_lufs(sine.astype(np.float32), rate) == pytest.approx(-23, abs=0.1)


def test_each_length_has_its_median_and_the_worst_share_is_reported() -> None:
    sentences = [
        Sentence("Good.", 1.0, 40, 100, 90, -120, "Good."),
        Sentence("Better.", 3.0, 50, 300, 200, -110, "Better."),
        Sentence("Best of all.", 3.5, 70, 400, 200, -130, "Best of wall."),
    ]
    voice = VoiceFigures("joe", "piper", "en-US", sentences, 0.1, 0.1, -23, None)
    assert list(voice.first_chunks_ms()) == [40, 60, None]
    assert voice.first_chunk_percent == 35
    assert voice.difference_dbfs == -110
    assert voice.word_error_percent == 20


def test_figures_that_an_engine_cannot_give_are_left_out() -> None:
    voice = VoiceFigures(
        "far", "http", "", [Sentence("Good.", 3.0, 40, 100, None, None, "Good.")], 0.1, None, -23, None
    )
    assert voice.first_chunk_percent is None
    assert voice.difference_dbfs is None


def test_clauses_are_cut_off_in_turn() -> None:
    begun: list[Clause] = []

    class Quick:
        sample_rate = 24_000
        waits = False

        def speak(self, clause: Clause) -> Iterator[Speech]:
            begun.append(clause)
            yield Speech(np.zeros(480, np.float32))

    clauses = [clause("Good."), clause("Better.")]
    found = measure(Quick(), clauses)
    assert len(found.stops_ms) == CUTS
    assert min(found.stops_ms) > 0 < found.chunk_ms
    assert set(map(str, begun)) == set(map(str, clauses))
