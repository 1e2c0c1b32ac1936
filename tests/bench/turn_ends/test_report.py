"""Cut-offs and waits of policies over pauses of which everything is known."""

from dataclasses import replace

import pytest

from bench.turn_ends.fitting import fit
from bench.turn_ends.replay import Pause
from bench.turn_ends.report import Report, ends_at
from pipeline.listening.completeness import Evidence
from pipeline.listening.endpointing import LOOKS_S
from pipeline.settings import TurnSettings


def looks(words: str, by_words: float, *by_sound: float) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(words, "", by_words, sound, silence_s) for sound, silence_s in zip(by_sound, LOOKS_S, strict=False)
    )


END = Pause("a", 2.0, True, looks("What time is it now?", 0.7, 0.99, 0.99, 0.99))
HOLD = Pause("a", 0.7, False, looks("I would like to", 1e-5, 0.05, 0.05))
HASTY = Pause("b", 0.7, False, looks("It was a very long day.", 0.8, 0.99, 0.99))


def test_a_later_look_can_end_the_pause_and_an_earlier_one_is_not_taken_back() -> None:
    waits = {0.2: 1.6, 0.5: 0.4, 1.2: 1.6}
    assert ends_at(END.looks, lambda evidence: waits[evidence.silence_s]) == 0.5
    assert ends_at(END.looks, lambda evidence: 0.3) == 0.3
    assert ends_at(HOLD.looks, lambda evidence: 1.6) == 1.6


def test_the_report_counts_cuts_and_waits() -> None:
    report = Report("tiny", TurnSettings(), [HOLD, END, HASTY, replace(END, turn="b")])
    assert report.agent.cut_percent == 50
    assert report.agent.median_s == 0.3
    assert report.summary()["pauses"] == 2
    assert [point.cut_percent for point in report.fixed()] == sorted(
        (point.cut_percent for point in report.fixed()), reverse=True
    )
    agents = report.agents()
    assert agents[0].wait_s == pytest.approx(1.6)
    assert agents[-1].cut_percent >= agents[0].cut_percent


def test_weights_tell_ends_from_pauses_by_each_kind_of_evidence() -> None:
    pauses = [END, HOLD, HASTY] * 10
    weights = fit(pauses)
    assert set(weights) == {"decoder and sound", "decoder", "sound"}
    assert weights["decoder"]["decoder"] > 0
    assert weights["sound"]["sound"] > 0
    assert "sound" not in weights["decoder"]
