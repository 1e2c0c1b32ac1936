"""One turn's stages, by tables and by chance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.conversation.items import Message
from pipeline.listening.utterance import Utterance
from pipeline.runtime.timeline import Timeline
from pipeline.runtime.workers import Workers
from pipeline.user_turns.user_turn import Stage, Step, UserTurn
from tests.support.scripted import ScriptedEncoder


def turn(*, create_response: bool = True, stage: Stage = Stage.PAUSING) -> UserTurn:
    workers = Workers(1)
    workers.close()
    utterance = Utterance("item", ScriptedEncoder([]).open(), workers)
    message = Message("item", "user", None, spoken=True)
    return UserTurn(utterance, message, Timeline(), create_response=create_response, stage=stage)


@pytest.mark.parametrize(
    ("steps", "stages"),
    [
        ([Step.TRANSCRIBE, Step.END, Step.ANSWER], [Stage.TRANSCRIBED, Stage.READY, Stage.ANSWERED]),
        ([Step.END, Step.TRANSCRIBE, Step.ANSWER], [Stage.ENDED, Stage.READY, Stage.ANSWERED]),
        ([Step.END, Step.ANSWER, Step.TRANSCRIBE], [Stage.ENDED, Stage.AWAITED, Stage.ANSWERED]),
        ([Step.END, Step.ANSWER, Step.TAKE_BACK], [Stage.ENDED, Stage.AWAITED, Stage.ENDED]),
        ([Step.DROP, Step.TRANSCRIBE], [Stage.DROPPED, Stage.DROPPED]),
    ],
)
def test_a_turn_goes_from_its_first_pause_to_its_answer(steps: list[Step], stages: list[Stage]) -> None:
    one = turn()
    assert [one.advance(step) for step in steps] == stages


def test_what_nobody_answers_unasked_is_kept_until_somebody_asks() -> None:
    one = turn(create_response=False)
    steps = (Step.END, Step.TRANSCRIBE, Step.ANSWER, Step.TAKE_BACK)
    assert [one.advance(step) for step in steps] == [Stage.ENDED, Stage.KEPT, Stage.ANSWERED, Stage.KEPT]


def test_an_answer_needs_an_end() -> None:
    with pytest.raises(ValueError, match="PAUSING can't ANSWER"):
        turn().advance(Step.ANSWER)


@given(st.lists(st.sampled_from(Step), max_size=8), st.booleans())
def test_a_turn_is_at_one_place_only(steps: list[Step], create_response: bool) -> None:
    one = turn(create_response=create_response)
    for step in steps:
        try:
            one.advance(step)
        except ValueError:
            continue
        assert [one.pausing, one.waiting, one.answered, one.stage is Stage.DROPPED].count(True) == 1
