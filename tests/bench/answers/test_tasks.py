"""The questions of the benchmark, and how a run is reported."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.answers.asking import Answered
from bench.answers.judging import Number
from bench.answers.report import Report, Run, earlier_run
from bench.answers.tasks import KINDS, OWN_QUESTIONS, own_tasks, published_tasks, spoken_by
from bench.conversations.questions import AudioFile, Question, Synthesized, numbers_in
from bench.conversations.thinking import CannotAsk
from bench.corpus import BadCorpus
from bench.report import Output
from tests.support.scripted import ScriptedVoice


@pytest.mark.parametrize("seed", range(5))
def test_questions_are_spread_over_the_kinds_and_never_asked_twice(seed: int) -> None:
    tasks = own_tasks(OWN_QUESTIONS, seed)
    assert tasks == own_tasks(OWN_QUESTIONS, seed)
    assert len({task.turns for task in tasks}) == len({task.name for task in tasks}) == OWN_QUESTIONS
    assert Counter(task.kind for task in tasks) == dict.fromkeys(KINDS, OWN_QUESTIONS // len(KINDS))


def test_more_questions_than_there_are_are_refused() -> None:
    with pytest.raises(CannotAsk, match=r"the templates make some \d+ different questions, not 10000: ask for fewer"):
        own_tasks(10_000)


@pytest.mark.parametrize("count", [7, 63, OWN_QUESTIONS])
def test_the_two_halves_share_no_question_and_every_template(count: int) -> None:
    tuning, held_out = own_tasks(count, half="tuning"), own_tasks(count, half="held-out")
    assert len(tuning) == len(held_out) == count
    assert not {task.turns for task in tuning} & {task.turns for task in held_out}
    assert Counter(task.kind for task in tuning) == Counter(task.kind for task in held_out)
    assert tuning == own_tasks(count, half="tuning")
    if count == OWN_QUESTIONS:
        calls = [Counter(task.call.name if task.call else "" for task in half) for half in (tuning, held_out)]
        assert calls[0].keys() == calls[1].keys()


def test_every_voice_asks_questions_of_every_kind() -> None:
    voices = [ScriptedVoice() for _ in KINDS]
    spoken = spoken_by(own_tasks(len(KINDS) ** 2), voices)
    asked = {(task.kind, id(audio.voice)) for task in spoken for audio in task.audio if isinstance(audio, Synthesized)}
    assert len(asked) == len(KINDS) * len(voices)


@pytest.mark.parametrize("seed", range(5))
def test_no_question_is_its_own_answer(seed: int) -> None:
    for task in own_tasks(OWN_QUESTIONS, seed):
        assert not task.rule.holds(task.turns[-1], task.turns[-1])
        assert not task.rule.holds(task.turns[-1].replace("?", "."), task.turns[-1]) or task.call
        if isinstance(task.rule, Number):
            assert task.rule.value not in numbers_in(task.turns[-1])


def test_tools_are_needed_for_some_questions_only() -> None:
    tools = [task for task in own_tasks(OWN_QUESTIONS) if task.kind == "tools"]
    assert all(task.has_tools for task in tools)
    assert {task.call.name if task.call else None for task in tools} == {"get_weather", "set_timer", "next_train", None}


def test_published_questions_are_typed_only_if_their_words_are_known() -> None:
    known = Question("navigate_0", "navigate", "yes", AudioFile(Path("0.wav")), "Is it?")
    (task,) = published_tasks([known], "text")
    assert (task.turns, task.kind) == (("Is it?",), "navigate")
    assert task.rule.holds("Yes.", "Is it?")
    with pytest.raises(CannotAsk, match="no words for navigate_0"):
        published_tasks([replace(known, text="")], "text")
    assert published_tasks([replace(known, text="")], "spoken")


def test_a_run_is_reported_by_kind_and_drawn_beside_earlier_ones(tmp_path: Path) -> None:
    answers = [
        Answered("facts_000", "facts", "?", right=True, first_packet_ms=400, said="Paris."),
        Answered("facts_001", "facts", "?", first_packet_ms=600, said="Rome, I think."),
        Answered("tools_000", "tools", "?"),
        Answered("tools_001", "tools", "?", right=True),
    ]
    report = Report("small", "text", answers, [Run(name="large", right_percent=90, first_packet_p50_ms=900)])
    assert report.run == Run(name="small, text", right_percent=50, first_packet_p50_ms=500)
    assert {kind: (figures["right"], figures["words_max"]) for kind, figures in report.by_kind().items()} == {
        "facts": (1, 3),
        "tools": (1, 0),
        "all": (2, 3),
    }
    file, picture = tmp_path / "run.json", tmp_path / "run.svg"
    Output(as_json=False, out=file, picture=picture).show(report)
    assert earlier_run(file) == report.run
    assert "large" in picture.read_text()
    assert "small, text" in picture.read_text()


def test_a_file_that_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(BadCorpus, match=r"other\.json can't be used: run"):
        earlier_run(tmp_path / "other.json")
