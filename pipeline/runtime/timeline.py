"""The time stamps of one turn, and the latencies that follow from them. The one place that reads the wall clock."""

from collections import deque
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, get_args

KEPT_BLOCKS = 1000
"""Blocks of input whose arrival is remembered: 20 s of blocks of 20 ms."""

Stage = Literal[
    "speech_ended",
    "pause_seen",
    "turn_decided",
    "transcript_ready",
    "first_thought",
    "first_token",
    "first_clause",
    "first_audio",
    "first_packet",
    "interrupted",
]


@dataclass(slots=True)
class Timeline:
    """When each stage of a turn was reached, in seconds of one monotonic clock. None: not reached or not measured.

    `speech_ended` is when the last sample of speech arrived, not when its end was detected, so that every wait of ours
    comes after it.
    """

    speech_ended: float | None = None
    pause_seen: float | None = None
    turn_decided: float | None = None
    transcript_ready: float | None = None
    first_thought: float | None = None
    first_token: float | None = None
    first_clause: float | None = None
    first_audio: float | None = None
    first_packet: float | None = None
    interrupted: float | None = None
    thought_tokens: int | None = None
    thoughts_before_speech: int | None = None
    """Tokens of thought before the first word was written."""
    thought_s: float | None = None
    """Seconds from the first token of thought to the last."""

    def thought(self) -> None:
        """Note that a token of thought was written now."""
        self.stamp("first_thought")
        assert self.first_thought is not None
        self.thought_tokens = (self.thought_tokens or 0) + 1
        self.thought_s = perf_counter() - self.first_thought
        if self.first_token is None:
            self.thoughts_before_speech = self.thought_tokens

    def stamp(self, stage: Stage) -> None:
        """Note that `stage` is reached now, the first time only."""
        if getattr(self, stage) is None:
            setattr(self, stage, perf_counter())

    def forget_answer(self) -> None:
        """An answer was begun and withdrawn: its stages are those of the next one."""
        self.first_thought = self.first_token = self.first_clause = self.first_audio = self.first_packet = None
        self.thought_tokens = self.thoughts_before_speech = self.thought_s = None

    def since_speech_ended(self) -> dict[str, float]:
        """Seconds from the end of speech to each stage that was reached, in the order of their stages.

        What was reached before it, by an answer begun while the person spoke, counts as reached then.
        For a turn that no speech began (text, or a response asked for) the decision to answer is the zero.
        """
        zero = self.speech_ended if self.speech_ended is not None else self.turn_decided
        if zero is None:
            return {}
        stamps = {stage: getattr(self, stage) for stage in get_args(Stage)}
        return {stage: max(at - zero, 0.0) for stage, at in stamps.items() if at is not None}


class ArrivalTimes:
    """When the recent samples of the input arrived, in seconds of the same clock."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[int, float]] = deque(maxlen=KEPT_BLOCKS)

    def note(self, position: int) -> None:
        """Record that all samples before `position` have arrived by now."""
        self._blocks.append((position, perf_counter()))

    def at(self, position: int) -> float | None:
        """When the sample before `position` arrived; None if that is too long ago or still to come."""
        if not self._blocks or position < self._blocks[0][0]:
            return None
        return next((when for end, when in self._blocks if position <= end), None)
