"""The think/speak schedule, decision by decision, and against an engine, a voice and a listener in virtual time."""

import random
from dataclasses import dataclass, field
from typing import Literal

import pytest

from pipeline.thinking.schedule import MODE_OF_EFFORT, Done, Mode, Schedule, Speak, Think, ThinkingPace, Wait

PACE = ThinkingPace()
SECONDS_A_TOKEN = 0.3
"""Of speech: some 150 words a minute."""
THOUGHTS = 300
"""Tokens until the model has thought it through."""


@dataclass
class Talk:
    """One answer by an engine that writes `rate` tokens a second and reads four times as fast; two streams share it.

    A voice makes each whole clause, its first sound after a tenth of a second and the rest faster than it is heard.
    """

    mode: Mode
    rate: float
    slots: Literal[1, 2] = 1
    seed: int = 0
    words: int = 160
    """Tokens of the answer."""
    now: float = 0
    sounds: list[tuple[float, float]] = field(default_factory=list)
    """Of each clause, when it begins and ends to sound."""
    thoughts_before: int | None = None
    """Tokens of thought before the first token of speech."""
    waiting: int = 0
    """Tokens of the clause that is not whole."""
    reading: int = 0
    """Tokens to be read again before the articulation goes on."""

    def __post_init__(self) -> None:
        self.schedule = Schedule(self.mode, PACE, self.slots)
        generator = random.Random(self.seed)
        self.clauses: list[int] = []
        while sum(self.clauses) < self.words:
            self.clauses.append(min(generator.randint(4, 16), self.words - sum(self.clauses)))
        self.left = list(self.clauses)

    @property
    def lead_s(self) -> float:
        return sum(end - max(start, self.now) for start, end in self.sounds if end > self.now)

    def run(self) -> "Talk":
        if self.slots == 1:
            self._run_alone()
        else:
            self._run_in_parallel()
        return self

    def _run_alone(self) -> None:
        speaking = False
        while not isinstance(decision := self.schedule.next(self.lead_s), Done):
            match decision:
                case Speak():
                    if not speaking:
                        self.now += self.schedule.spoken_tokens / (4 * self.rate)
                    self.now += 1 / self.rate
                    self._speak()
                case Think():
                    assert not self.waiting, "it stops to think in the middle of a clause"
                    self.now += 1 / self.rate
                    self._think()
                case Wait():
                    raise AssertionError("an engine with nothing to wait for waits")
            speaking = isinstance(decision, Speak)

    def _run_in_parallel(self) -> None:
        """Steps of both streams at once cost a fifth more than one's."""
        segment: Speak | None = None
        to_read = 0.0
        while not isinstance(speech := self.schedule.articulation(self.lead_s), Done):
            thinks = isinstance(self.schedule.formulation(), Think)
            speaks = isinstance(speech, Speak)
            assert thinks or speaks, "both streams wait for each other"
            assert speaks or not self.waiting, "it falls silent in the middle of a clause"
            self.now += (1.2 if thinks and speaks else 1) / self.rate
            if isinstance(speech, Speak):
                if segment is None or not self.schedule.continues(segment, self.lead_s):
                    segment, to_read = speech, self.schedule.spoken_tokens / 4
                if to_read > 0:
                    to_read -= 1
                else:
                    self._speak()
            else:
                segment = None
            if thinks and isinstance(self.schedule.formulation(), Think):
                self._think()

    def _think(self) -> None:
        self.schedule.thought()
        if self.schedule.thought_tokens == THOUGHTS:
            self.schedule.thoughts_closed()

    def _speak(self) -> None:
        if self.thoughts_before is None:
            self.thoughts_before = self.schedule.thought_tokens
        self.waiting += 1
        whole = self.waiting == self.left[0]
        if whole:
            self.left.pop(0)
            start = max(self.now + 0.1, self.sounds[-1][1] if self.sounds else 0)
            self.sounds.append((start, start + self.waiting * SECONDS_A_TOKEN))
            self.waiting = 0
        self.schedule.spoke(clause_ends=whole)
        if not self.left:
            self.schedule.answered()

    @property
    def first_sound(self) -> float:
        return self.sounds[0][0]

    @property
    def gaps(self) -> list[float]:
        """Silence between clauses: inside one there is none."""
        return [start - end for (_, end), (start, _) in zip(self.sounds, self.sounds[1:], strict=False)]


MODES: tuple[Mode, ...] = ("off", "before", "think_first", "speak_first")
BOTH: tuple[Literal[1, 2], ...] = (1, 2)


@pytest.mark.parametrize("slots", BOTH)
@pytest.mark.parametrize("mode", MODES)
def test_at_forty_tokens_a_second_no_answer_has_a_gap(mode: Mode, slots: Literal[1, 2]) -> None:
    for seed in range(100):
        talk = Talk(mode, 40, slots, seed).run()
        assert max(talk.gaps) <= 0.3
        assert len(talk.sounds) == len(talk.clauses), "every clause is said once"


@pytest.mark.parametrize("slots", BOTH)
def test_each_mode_begins_when_it_promises(slots: Literal[1, 2]) -> None:
    for seed in range(20):
        off, before, think_first, speak_first = (Talk(mode, 40, slots, seed).run() for mode in MODES)
        assert speak_first.first_sound <= off.first_sound * 1.1
        assert think_first.first_sound == pytest.approx(off.first_sound + PACE.think / 40, rel=0.1)
        assert before.first_sound == pytest.approx(off.first_sound + THOUGHTS / 40, rel=0.02)
        heads = [talk.thoughts_before for talk in (off, before, think_first, speak_first)]
        assert heads == [0, THOUGHTS, PACE.think, 0]


@pytest.mark.parametrize("slots", BOTH)
@pytest.mark.parametrize("mode", ["think_first", "speak_first"])
def test_thoughts_get_their_share_while_it_speaks(mode: Mode, slots: Literal[1, 2]) -> None:
    talk = Talk(mode, 40, slots).run()
    assert talk.schedule.thought_tokens == THOUGHTS
    slow = Talk(mode, 15, slots).run()
    assert slow.schedule.thought_tokens >= 100


@pytest.mark.parametrize("slots", BOTH)
@pytest.mark.parametrize("mode", ["think_first", "speak_first"])
def test_a_slow_engine_pauses_between_clauses(mode: Mode, slots: Literal[1, 2]) -> None:
    talks = [Talk(mode, 15, slots, seed).run() for seed in range(100)]
    assert all(len(talk.sounds) == len(talk.clauses) for talk in talks)
    assert 0.3 < max(max(talk.gaps) for talk in talks) < 1


def test_decisions_of_one_slot() -> None:
    schedule = Schedule("think_first", ThinkingPace(think=4, speak=2, budget=100, low_s=2))
    for left in (4, 3, 2, 1):
        assert schedule.next(0) == Think(left)
        schedule.thought()
    assert schedule.next(0) == Speak(2)
    schedule.spoke()
    assert schedule.next(9) == Speak(1), "a segment of speech is not left in the middle"
    schedule.spoke()
    assert schedule.next(9) == Speak(0), "nor a clause"
    schedule.spoke(clause_ends=True)
    assert schedule.next(9) == Think(4)
    schedule.thought()
    assert schedule.next(1) == Think(3), "a moment's thought between two segments of speech"
    schedule.thought()
    assert schedule.next(2.1) == Think(2)
    assert schedule.next(2) == Speak(2), "a thought is left when the listener's buffer runs low"
    schedule.thoughts_closed()
    assert schedule.next(9) == Speak(None)
    schedule.answered()
    assert schedule.next(9) == Done()


def test_decisions_of_two_slots() -> None:
    schedule = Schedule("before", ThinkingPace(think=4, budget=6), slots=2)
    assert (schedule.formulation(), schedule.articulation(0)) == (Think(4), Wait(None))
    for _ in range(4):
        schedule.thought()
    assert schedule.formulation() == Think(2), "no more than the budget"
    schedule.thought()
    schedule.thought()
    assert (schedule.formulation(), schedule.articulation(0)) == (Done(), Speak(None))
    speaking = Schedule("speak_first", ThinkingPace(), slots=2)
    assert (speaking.formulation(), speaking.articulation(0)) == (Wait(None), Speak(20)), "the first words first"
    for _ in range(20):
        speaking.spoke(clause_ends=True)
    assert (speaking.formulation(), speaking.articulation(3)) == (Think(80), Wait(2.0))
    assert speaking.articulation(2) == Speak(20), "it need not stop thinking to speak"
    speaking.spoke()
    speaking.thoughts_closed()
    assert speaking.continues(Speak(20), 9), "it is not in the middle of a segment that it reads how they end"
    for _ in range(19):
        speaking.spoke(clause_ends=True)
    assert speaking.continues(Speak(20), 2), "nor while the listener waits"
    assert not speaking.continues(Speak(20), 2.1)
    assert speaking.articulation(2.1) == Speak(None)
    assert speaking.continues(Speak(None), 2.1), "it has read it"
    speaking.answered()
    assert (speaking.formulation(), speaking.articulation(0)) == (Done(), Done())


def test_a_clause_without_end_does_not_keep_the_floor() -> None:
    schedule = Schedule("speak_first", ThinkingPace(speak=5))
    for _ in range(10):
        assert isinstance(schedule.next(9 if schedule.spoken_tokens else 0), Speak)
        schedule.spoke()
    assert schedule.next(9) == Think(80)


def test_without_thoughts_it_only_speaks() -> None:
    schedule = Schedule("off", PACE)
    assert schedule.next(0) == Speak(None)
    assert schedule.formulation() == Done()


def test_efforts_are_the_protocols() -> None:
    assert {effort: MODE_OF_EFFORT[effort] for effort in ("minimal", "low", "medium", "high", "xhigh")} == {
        "minimal": "off",
        "low": "speak_first",
        "medium": "think_first",
        "high": "before",
        "xhigh": "before",
    }
