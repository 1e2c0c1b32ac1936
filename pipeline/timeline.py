"""The time stamps of one turn, and the latencies that follow from them. The one place that reads the wall clock."""

from collections import deque
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, get_args

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

    `speech_ended` is when the last sample of speech arrived, not when its end was noticed, so that every wait of ours
    lies behind it.
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
    """From the first of them to the last."""

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

    def since_speech_ended(self) -> dict[str, float]:
        """Seconds from the end of speech to each stage that was reached, in the order of their stages.

        For a turn that no speech began (text, or a response asked for) the decision to answer is the zero.
        """
        zero = self.speech_ended if self.speech_ended is not None else self.turn_decided
        if zero is None:
            return {}
        stamps = {stage: getattr(self, stage) for stage in get_args(Stage)}
        return {stage: at - zero for stage, at in stamps.items() if at is not None}

    @property
    def voice_to_voice(self) -> float | None:
        """Seconds from the end of speech to the first packet of the answer's audio."""
        if self.speech_ended is None or self.first_packet is None:
            return None
        return self.first_packet - self.speech_ended


class Arrivals:
    """When the recent samples of the input came in."""

    def __init__(self, kept: int = 1000) -> None:
        self._blocks: deque[tuple[int, float]] = deque(maxlen=kept)

    def note(self, position: int) -> None:
        """All samples before `position` have come in by now."""
        self._blocks.append((position, perf_counter()))

    def at(self, position: int) -> float | None:
        """When the sample before `position` came in; None if that is too long ago or yet to come."""
        if not self._blocks or position < self._blocks[0][0]:
            return None
        return next((when for end, when in self._blocks if position <= end), None)
