"""The three filters and the reward on 200 traces written by hand, each with what is to be found wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.reasoning.answers import WrittenAnswer, is_right
from training.reasoning.filters import is_coherent, is_grounded, keeps
from training.reasoning.rewards import ACCURACY, FORMAT, judge

TRACES: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "traces.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_there_are_two_hundred() -> None:
    assert len(TRACES) == 200


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: str(trace["text"])[:40])
def test_the_filters_find_what_is_wrong(trace: dict[str, Any]) -> None:
    text, answer, choices = trace["text"], trace["answer"], tuple(trace["choices"])
    written = WrittenAnswer.read(text)
    verdict = trace["verdict"]
    assert keeps(text, answer, choices) is (verdict == "ok")
    match verdict:
        case "ungrounded":
            assert not is_grounded(written.thought)
            assert is_coherent(written, choices)
            assert is_right(written.words, answer, choices)
        case "incoherent" | "unclosed":
            assert not is_coherent(written, choices)
        case "wrong":
            assert is_grounded(written.thought)
            assert not is_right(written.words, answer, choices)


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: str(trace["text"])[:40])
def test_the_reward_is_for_right_answers_and_for_reasoning(trace: dict[str, Any]) -> None:
    text, answer, choices = trace["text"], trace["answer"], tuple(trace["choices"])
    written = WrittenAnswer.read(text)
    right = trace["verdict"] != "wrong" and bool(written.words)
    reasons = bool(written.thought) and bool(written.words)
    assert judge(text, answer, choices, "audio").reward == pytest.approx(ACCURACY * right + FORMAT * reasons)
    assert judge(text, answer, choices, "text").reward == float(right)


@pytest.mark.parametrize(
    ("words", "answer", "right"),
    [
        ("It is 12.", "12", True),
        ("5 plus 7 is 12.", "12", True),
        ("It is 12 or 13.", "12", False),
        ("Many.", "12", False),
    ],
)
def test_a_number_is_the_last_one_named(words: str, answer: str, right: bool) -> None:
    assert is_right(words, answer) is right
