from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.listening.overlap import Overheard, Overlap, OverlapLimits, Persisted, Released
from pipeline.listening.turn_taking import (
    Decision,
    Idle,
    Lasts,
    Lifted,
    Overlapped,
    Paused,
    Resumed,
    SpeechBegan,
    State,
    Thresholds,
    TurnEnded,
    TurnTaking,
)
from pipeline.listening.wording.backchannels import Meaning

FRAME = 512
LIMITS = Thresholds(
    speech=0.5,
    silence=0.35,
    min_speech=2 * FRAME,
    pause=6 * FRAME,
    end=16 * FRAME,
    duck=1 * FRAME,
    overlap=OverlapLimits(
        hold=3 * FRAME,
        held=100 * FRAME,
        interrupt=40 * FRAME,
        overhear=12 * FRAME,
        lift=8 * FRAME,
        pause=6 * FRAME,
        min_speech=2 * FRAME,
    ),
    max_turn=1000 * FRAME,
)


WHICHEVER = Overlap(0)
"""Decisions are equal whichever overlap they are of."""


def play(turn: TurnTaking, frames: str) -> list[Decision]:
    """Each letter is a frame: S speech, m murmur between the two thresholds, . silence."""
    probability = {"S": 0.9, "m": 0.4, ".": 0.05}
    return [decision for letter in frames for decision in turn.frame(probability[letter], FRAME)]


def test_a_turn_begins_pauses_and_ends() -> None:
    turn = TurnTaking(LIMITS)
    assert play(turn, "...SSSS") == [SpeechBegan(3 * FRAME, interrupting=False)]
    assert play(turn, "." * 6) == [Paused(7 * FRAME)]
    assert play(turn, "." * 10) == [TurnEnded(7 * FRAME)]
    assert turn.state is State.LISTENING


def test_a_click_is_no_turn() -> None:
    assert play(TurnTaking(LIMITS), "..S....S...") == []


def test_a_murmur_neither_begins_nor_ends_speech() -> None:
    turn = TurnTaking(LIMITS)
    assert play(turn, "mmmmmm") == []
    assert play(turn, "SS" + "m" * 40) == [SpeechBegan(6 * FRAME, interrupting=False)]
    assert turn.state is State.HEARING


def test_speech_in_a_pause_goes_on_in_the_same_turn() -> None:
    turn = TurnTaking(LIMITS)
    play(turn, "SSS" + "." * 8)
    assert play(turn, "SS") == [Resumed(11 * FRAME)]
    assert play(turn, "." * 16) == [Paused(13 * FRAME), TurnEnded(13 * FRAME)]


def test_a_click_in_a_pause_does_not_begin_it_anew() -> None:
    turn = TurnTaking(LIMITS)
    play(turn, "SSS" + "." * 8)
    assert play(turn, "S" + "." * 7) == [TurnEnded(3 * FRAME)]


def overlapped() -> TurnTaking:
    """The agent speaks, and somebody has spoken over it for three frames."""
    turn = TurnTaking(LIMITS)
    turn.responding()
    assert play(turn, ".S") == [Overlapped(FRAME, WHICHEVER)]
    assert play(turn, "SS") == [Persisted(WHICHEVER)]
    return turn


def judge(decisions: list[Decision], barge_in: bool, text: str = "") -> None:
    """Say what the last of them was overheard to be."""
    look = decisions[-1]
    assert isinstance(look, Overheard)
    look.overlap.judge(look, Meaning.TURN if barge_in else Meaning.BACKCHANNEL, text)


def test_a_click_over_the_agents_voice_passes() -> None:
    turn = TurnTaking(LIMITS)
    turn.responding()
    assert play(turn, "SS" + "." * 8) == [Overlapped(0, WHICHEVER), Lifted(WHICHEVER)]
    assert turn.state is State.RESPONDING


def test_a_backchannel_is_overheard_and_passes() -> None:
    turn = overlapped()
    look = play(turn, "SSSS" + "." * 6)
    assert look == [Overheard(FRAME, going_on=False, overlap=WHICHEVER)]
    assert play(turn, "." * 30) == []  # nobody knows yet what it was
    judge(look, barge_in=False)
    assert play(turn, ".") == [Lifted(WHICHEVER)]
    assert turn.state is State.RESPONDING


def test_words_that_take_the_floor_are_a_barge_in_from_their_first_sample_on() -> None:
    turn = overlapped()
    look = play(turn, "SSSS" + "." * 6)
    assert look == [Overheard(FRAME, going_on=False, overlap=WHICHEVER)]
    judge(look, barge_in=True)
    assert play(turn, ".") == [SpeechBegan(FRAME, interrupting=True)]
    assert play(turn, "." * 9) == [Paused(8 * FRAME), TurnEnded(8 * FRAME)]


def test_speech_that_goes_on_is_judged_meanwhile() -> None:
    turn = overlapped()
    look = play(turn, "S" * 9)
    assert look == [Overheard(FRAME, going_on=True, overlap=WHICHEVER)]
    judge(look, barge_in=False)  # so far
    look = play(turn, "S" * 12)
    assert look == [Overheard(FRAME, going_on=True, overlap=WHICHEVER)]
    judge(look, barge_in=True)
    assert play(turn, "S") == [SpeechBegan(FRAME, interrupting=True)]


def test_speech_that_ends_just_after_it_was_judged_is_judged_again() -> None:
    turn = overlapped()
    assert play(turn, "S" * 9 + "." * 6) == [
        Overheard(FRAME, going_on=True, overlap=WHICHEVER),
        Overheard(FRAME, going_on=False, overlap=WHICHEVER),
    ]


def test_speech_that_does_not_end_is_a_barge_in() -> None:
    turn = overlapped()
    decisions = play(turn, "S" * 37)
    assert decisions[-1] == SpeechBegan(FRAME, interrupting=True)
    assert [type(decision) for decision in decisions[:-1]] == [Overheard] * 3


def test_a_backchannel_that_goes_on_is_heard_again() -> None:
    turn = overlapped()
    look = play(turn, "." * 6)
    judge(look, barge_in=False)
    look = play(turn, "SSSS" + "." * 6)
    assert look == [Overheard(FRAME, going_on=False, overlap=WHICHEVER)]
    assert play(turn, "." * 30) == []
    judge(look, barge_in=True)
    assert play(turn, ".") == [SpeechBegan(FRAME, interrupting=True)]


def test_a_barge_in_that_an_older_look_found_counts_while_the_speech_goes_on() -> None:
    turn = overlapped()
    older = play(turn, "S" * 9)
    assert play(turn, "S" * 12) == [Overheard(FRAME, going_on=True, overlap=WHICHEVER)]
    judge(older, barge_in=True)
    assert play(turn, "S") == [SpeechBegan(FRAME, interrupting=True)]


def test_what_an_older_look_found_counts_no_more_once_all_was_said() -> None:
    turn = overlapped()
    older = play(turn, "S" * 9)
    play(turn, "SS" + "." * 6)
    judge(older, barge_in=True)
    assert play(turn, "." * 30) == []


PATIENT = replace(LIMITS, overlap=replace(LIMITS.overlap, held=10 * FRAME))


def held() -> TurnTaking:
    """Like `overlapped`, but the agent pauses for ten frames at most."""
    turn = TurnTaking(PATIENT)
    turn.responding()
    assert play(turn, ".SSS") == [Overlapped(FRAME, WHICHEVER), Persisted(WHICHEVER)]
    return turn


def test_a_pause_for_what_nobody_understands_is_short_and_comes_once() -> None:
    turn = held()
    judge(play(turn, "S" * 9), barge_in=False)
    assert play(turn, "S") == [Released(WHICHEVER)]
    assert play(turn, "S" * 10) == []
    assert play(turn, "S") == [Overheard(FRAME, going_on=True, overlap=WHICHEVER)]


def test_ongoing_speech_is_understood_before_the_agent_speaks_on() -> None:
    turn = held()
    look = play(turn, "S" * 9)
    assert play(turn, "S" * 6) == []
    judge(look, barge_in=False)
    assert play(turn, "S") == [Released(WHICHEVER)]


def test_a_cough_that_is_looked_at_for_long_pauses_no_longer() -> None:
    turn = held()
    assert play(turn, "." * 6) == [Overheard(FRAME, going_on=False, overlap=WHICHEVER)]
    assert play(turn, "." * 30) == [Released(WHICHEVER)]


def test_words_that_may_take_the_floor_are_waited_for() -> None:
    turn = held()
    look = play(turn, "S" * 9)[-1]
    assert isinstance(look, Overheard)
    look.overlap.judge(look, Meaning.ASIDE)
    assert play(turn, "S" * 10) == []


def test_words_that_begin_no_turn_are_known_when_it_is_over() -> None:
    turn = overlapped()
    judge(play(turn, "S" + "." * 6), barge_in=False, text="Two.")
    [lifted] = play(turn, "." * 2)
    assert isinstance(lifted, Lifted)
    assert lifted.overlap.text == "Two."
    assert lifted.overlap.over


def test_an_agent_that_is_not_to_be_interrupted_takes_speech_for_a_turn() -> None:
    turn = TurnTaking(replace(LIMITS, duck=None))
    turn.responding()
    assert play(turn, "SS") == [SpeechBegan(0, interrupting=True)]


def test_speech_goes_on_as_a_turn_when_the_answer_ends_under_it() -> None:
    turn = overlapped()
    turn.responded()
    assert play(turn, "S") == [SpeechBegan(FRAME, interrupting=True)]


def test_a_word_that_outlasts_the_answer_is_a_turn() -> None:
    turn = overlapped()
    turn.responded()
    assert play(turn, ".") == [SpeechBegan(FRAME, interrupting=True)]
    assert play(turn, "." * 15) == [Paused(4 * FRAME), TurnEnded(4 * FRAME)]


def test_a_click_at_the_end_of_the_answer_leaves_nobody_speaking() -> None:
    turn = TurnTaking(LIMITS)
    turn.responding()
    play(turn, "S")
    turn.responded()
    assert play(turn, "." * 8) == [Lifted(WHICHEVER)]
    assert turn.state is State.LISTENING


def test_an_answer_that_was_played_gives_the_floor_back() -> None:
    turn = TurnTaking(LIMITS)
    turn.responding()
    turn.responded()
    assert play(turn, "SS") == [SpeechBegan(0, interrupting=False)]


def test_a_turn_without_end_is_cut() -> None:
    turn = TurnTaking(replace(LIMITS, max_turn=20 * FRAME))
    assert play(turn, "S" * 30) == [
        SpeechBegan(0, interrupting=False),
        Paused(20 * FRAME),
        TurnEnded(20 * FRAME),
        SpeechBegan(20 * FRAME, interrupting=False),
    ]


def test_a_pause_reports_how_long_it_has_lasted_once_each() -> None:
    turn = TurnTaking(replace(LIMITS, looks=(8 * FRAME, 10 * FRAME), end=30 * FRAME))
    play(turn, "SSSS")
    assert play(turn, "." * 14) == [Paused(4 * FRAME), Lasts(8 * FRAME), Lasts(10 * FRAME)]
    play(turn, "SSS")
    assert play(turn, "." * 9)[-1] == Lasts(8 * FRAME), "the next pause is another one"


def test_a_turn_says_how_long_the_voice_was_silent_before_it() -> None:
    turn = TurnTaking(LIMITS)
    (first,) = play(turn, "SSS")
    assert isinstance(first, SpeechBegan)
    assert first.since_voice is None
    play(turn, "." * 40)
    turn.responding()
    turn.responded()
    (second,) = play(turn, "....SSS")
    assert isinstance(second, SpeechBegan)
    assert second.since_voice == 4 * FRAME


def test_idle_counts_from_the_end_of_the_answer_and_comes_once() -> None:
    turn = TurnTaking(replace(LIMITS, idle=10 * FRAME))
    assert play(turn, "." * 30) == []
    turn.responding()
    play(turn, "." * 5)
    turn.responded()
    assert play(turn, "." * 30) == [Idle(35 * FRAME, 45 * FRAME)]


@given(st.lists(st.one_of(st.sampled_from("S.m"), st.sampled_from(["answer", "played"])), max_size=300))
def test_decisions_always_come_in_order(steps: list[str]) -> None:
    turn = TurnTaking(LIMITS)
    open_turn = paused = False
    for step in steps:
        if step == "answer":
            turn.responding()
            continue
        if step == "played":
            turn.responded()
            continue
        for decision in play(turn, step):
            match decision:
                case SpeechBegan():
                    assert not open_turn
                    open_turn = True
                case Paused():
                    assert open_turn
                    assert not paused
                    paused = True
                case Resumed():
                    assert paused
                    paused = False
                case TurnEnded():
                    assert paused
                    open_turn = paused = False
