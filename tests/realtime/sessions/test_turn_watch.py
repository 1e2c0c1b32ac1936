"""When a turn is over, by tables of events and times."""

import numpy as np
import pytest

from pipeline import events as on
from pipeline.runtime.timeline import Timeline
from realtime.sessions.turn_watch import ANSWER_S, TurnWatch

STARTED = on.ResponseStarted("resp_1", "audio", "joe", None, True, {})


def sound(seconds: float) -> on.OutputAudio:
    return on.OutputAudio("resp_1", 0, "item_1", np.zeros(round(seconds * 24_000), np.float32), Timeline())


def done(status: str = "completed") -> on.ResponseDone:
    return on.ResponseDone("resp_1", status, None, None, (), on.Usage(), Timeline())  # type: ignore[arg-type]


SPOKEN = [(0, on.SpeechStarted("item_0", 0)), (3, on.SpeechStopped("item_0", 0))]


@pytest.mark.parametrize(
    ("events", "under_way", "over"),
    [
        ([], [], [0, 100]),
        (SPOKEN[:1], [0, 1_000], []),
        (SPOKEN, [3, 2.9 + ANSWER_S], [3 + ANSWER_S]),
        ([*SPOKEN, (4, STARTED)], [4, 1_000], []),
        ([*SPOKEN, (4, STARTED), (5, done())], [], [5]),
        ([*SPOKEN, (4, STARTED), (5, sound(2)), (5.1, sound(2)), (5.2, done())], [5.2, 9.9], [10]),
        ([*SPOKEN, (4, STARTED), (5, sound(2)), (9, sound(2)), (9.1, done())], [11.9], [12]),
        ([*SPOKEN, (4, STARTED), (5, sound(60)), (6, done("cancelled"))], [], [6]),
    ],
)
def test_a_turn_lasts_until_its_answer_was_played(
    events: list[tuple[float, on.Event]], under_way: list[float], over: list[float]
) -> None:
    turn = TurnWatch(24_000)
    for now, event in events:
        turn.note(event, now)
    assert [turn.is_under_way(now) for now in under_way] == [True] * len(under_way)
    assert [turn.is_under_way(now) for now in over] == [False] * len(over)
