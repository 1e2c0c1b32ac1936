"""The output of benchmarks."""

import json
from pathlib import Path

import pytest

from bench import report
from bench.conversations.interruption import Attempt
from bench.conversations.interruption import Report as Interruption
from bench.conversations.latency import Report as Latency
from bench.conversations.latency import Turn
from bench.conversations.soak import Report as Soak
from bench.conversations.soak import Turn as Spoken
from bench.conversations.thinking import Answered
from bench.conversations.thinking import Report as Thinking
from bench.gpu.encoder_cache import Family, Work
from bench.gpu.encoder_cache import Report as EncoderCache
from bench.report import CannotReport, Output, number, percentile
from bench.scale import Edge, Load
from bench.scale import Report as Scale
from bench.speech.cutting_off import CutOff
from bench.speech.synthesis import Report as Synthesis
from bench.speech.synthesis import Sentence
from bench.speech.voices import Report as Voices
from bench.speech.voices import Sentence as InOneVoice
from bench.speech.voices import VoiceFigures
from bench.speech.wer import Report as Wer
from bench.speech.wer import Way
from bench.turn_ends.replay import Pause
from bench.turn_ends.report import Report as TurnEnds
from bench.turn_ends.texts import Question
from bench.turn_ends.texts import Report as Endpointing
from pipeline.backends import MissingPackage
from pipeline.listening.completeness import Evidence
from pipeline.settings import TurnSettings


def turn(name: str, ms: float | None, *, early: int = 0, gap_ms: float | None = 0, heard: str = "Yes.") -> Turn:
    timeline = {} if ms is None else {"pause_seen": 60.0, "turn_decided": ms - 50, "first_packet": ms}
    above_ms, decided_ms = (None, None) if ms is None else (90.0, 50.0)
    return Turn(name, ms, above_ms, decided_ms, early, 1, gap_ms, timeline, "Yes.", heard, "Good.")


LATENCY = Latency(
    "websocket",
    "semantic_vad",
    1,
    [turn("a", 300), turn("b", 500), turn("c", 2500, early=2, gap_ms=7), turn("d", None)],
)
REPORTS: dict[str, report.Report] = {
    "latency": LATENCY,
    "latency without an answer": Latency("webrtc", "semantic_vad", 2, [turn("a", None, gap_ms=None)]),
    "interruption": Interruption(
        [
            Attempt("a", "barge_in", 90.0, 240.0, True),
            Attempt("b", "barge_in", None, None, False),
            Attempt("c", "backchannel", 80.0, None, False),
        ]
    ),
    "thinking": Thinking(
        "small, thinking in the format of qwen3",
        [
            Answered("off", "sum", "arithmetic", "5", True, sound=[(0.5, 2.0)], said="Five."),
            Answered("think_first", "sum", "arithmetic", "5", False, 80, 120, [(0.1, 1), (2, 3)], [(1.5, 3), (3.2, 4)]),
            Answered("off", "cats", "logic", "yes"),
        ],
    ),
    "scale": Scale([Load(2, 4, 4, 900, 1400), Load(4, 8, 5, None, None)], Edge(3.5, 1.5)),
    "soak": Soak(180, 20.0, [Spoken(0, True, False, 800.0, 20.0), Spoken(30, False, True, None, None)], 0, None),
    "voices": Voices(
        [
            VoiceFigures(
                "joe",
                "piper",
                "en-US",
                [InOneVoice("Yes.", 3.0, 50, 300, 250, -120.0, "Yes.")],
                0.1,
                0.08,
                -23.0,
                CutOff([10.0, 30.0], 110.0),
            ),
            VoiceFigures(
                "far", "http", "", [InOneVoice("Yes.", 1.0, 400, 800, None, None, "Yet.")], 0.8, None, -20.0, None
            ),
        ]
    ),
    "wer": Wer(
        "tiny", 1, {name: Way(5.0, 0, 1, 9.0, 30.0, 40.0, 50.0, 0, {"a": "Yet."}) for name in ("padded", "ours")}
    ),
    "synthesis": Synthesis("joe", 1, [Sentence("Yes.", 1, 0.5, 20.0, 60.0, 50.0, 1e-7, "Yes.")]),
    "encoder cache": EncoderCache(
        "cpu",
        1,
        [
            Family("one", "small", 2, 32, [Work(2.4, 9.0), Work(4.7, 8.0)], [Work(2.0, 20.0), Work(30.0, 170.0)]),
            Family("two", "real", 2, 32, [Work(2.4, 9.0)], [Work(2.0, 20.0)]),
        ],
    ),
    "turn ends": TurnEnds(
        "small",
        TurnSettings(),
        [
            Pause("a", 0.7, False, (Evidence("I want", "", 0.0, 0.1),)),
            Pause("a", 2.0, True, (Evidence("I want tea.", "", 0.5, 0.9),)),
        ],
    ),
    "endpointing": Endpointing(
        "small", 0.04, 0.01, [Question("Yes.", 0.9, 0.25, 20.0, 40.0)], [Question("I want", 0.0, 1.6, 20.0, 40.0)]
    ),
}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("picture", ["p.svg", "p.png"])
def test_every_report_is_told_in_every_form(
    name: str, picture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Output(False, tmp_path / "r.json", tmp_path / picture).show(REPORTS[name])
    table = capsys.readouterr().out
    Output(True, None, None).show(REPORTS[name])
    printed = json.loads(capsys.readouterr().out)
    assert "─" not in table
    assert len(table.splitlines()) >= 2
    assert printed == json.loads((tmp_path / "r.json").read_text())
    assert printed["machine"] == report.machine()
    assert 1_000 < (tmp_path / picture).stat().st_size < 60_000


def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    for file in ("a.svg", "b.svg"):
        Output(True, None, tmp_path / file).show(LATENCY)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(
    ("out", "picture", "complaint"),
    [
        ("none/r.json", None, "there is no folder"),
        (None, "none/p.png", "there is no folder"),
        (None, "p.gif", "end in .png"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_measured(
    out: str | None, picture: str | None, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(CannotReport, match=complaint):
        Output(False, tmp_path / out if out else None, tmp_path / picture if picture else None)


def test_a_folder_is_refused_where_a_file_is_needed(tmp_path: Path) -> None:
    with pytest.raises(CannotReport, match="can't be written"):
        Output(True, tmp_path, None).show(LATENCY)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "find_spec", lambda module: None if module == "matplotlib" else object())
    with pytest.raises(MissingPackage, match=r"^matplotlib is not installed: \S+ -m pip install 'antiphon\[bench\]'$"):
        Output(False, None, None)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, None), ([3.0], 99, 3.0), ([1.0, 2.0, 3.0, 4.0], 50, 2.5), ([0.0, 100.0], 90, 90.0)],
)
def test_percentiles(values: list[float], percent: float, expected: float | None) -> None:
    assert percentile(values, percent) == expected


def test_numbers() -> None:
    assert [number(None), number(7), number(1.25, 1), number(99.6)] == ["-", "7", "1.2", "100"]


def test_latency_counts_what_went_wrong() -> None:
    assert LATENCY.summary() == {
        "turns": 4,
        "voice_to_voice_p50_ms": 500,
        "voice_to_voice_p90_ms": pytest.approx(2100),
        "voice_to_voice_p99_ms": pytest.approx(2460),
        "pipeline_p50_ms": 500,
        "above_pipeline_p50_ms": 90,
        "decided_to_packet_p50_ms": 50,
        "answered_within_2_s": 2,
        "pauses": 4,
        "pauses_answered_early": 1,
        "underruns": 1,
        "word_error_percent": 0,
    }
    assert LATENCY.stages() == {"pause_seen": 60, "turn_decided": 450, "first_packet": 500}


def test_endpointing_counts_both_kinds_of_mistakes() -> None:
    finished = [
        Question("", probability, 0, ms, 60) for probability, ms in ((0.9, 10), (0.04, 20), (0.02, 30), (0.001, 40))
    ]
    broken_off = [Question("", probability, 0, 20, 60) for probability in (0.5, 0.0)]
    summary = Endpointing("small", 0.04, 0.01, finished, broken_off).summary()
    assert summary == {
        "finished_found_percent": 50,
        "broken_off_found_percent": 50,
        "finished_taken_for_broken_off_percent": 25,
        "broken_off_taken_for_finished_percent": 50,
        "ms_p50": 20,
        "ms_p90": 35,
        "cold_ms_p50": 60,
    }


def test_only_long_sentences_need_to_begin_much_sooner() -> None:
    sentences = [
        Sentence("Yes.", 1, 0.5, 25.0, 50.0, 30.0, 1e-7, "Yes."),
        Sentence("A long one.", 3, 4.5, 100.0, 450.0, 400.0, 1e-6, "A long on."),
    ]
    assert Synthesis("joe", 1, sentences).summary() == {
        "first_chunk_p50_ms": 62.5,
        "sooner_than_whole_over_3_s": 4,
        "real_time_factor": pytest.approx(0.1),
        "real_time_factor_at_once": pytest.approx(0.086),
        "largest_difference": 1e-6,
        "word_error_percent": 25,
    }


def test_memory_is_compared_after_a_warm_up_and_clocks_from_end_to_end() -> None:
    turns = [
        Spoken(60 * at, True, at == 3, memory, 10.0 + at) for at, memory in enumerate([100, 200, 210, 205, 200, 202])
    ]
    summary = Soak(360, 60, turns, 0, 0).summary()
    assert summary["memory_spread_percent"] == pytest.approx(5)
    assert summary["memory_growth_percent"] == pytest.approx(100 * 2 / 202)
    assert (summary["clock_drift_ms"], summary["answered"], summary["broken_into"]) == (4, 6, 1)
