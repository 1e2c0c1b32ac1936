"""When a mind of two streams thinks and when it speaks: paced by what the listener still has to hear. Pure.

A formulation stream writes thoughts, an articulation stream writes speech from the thoughts so far. Whoever runs them
tells what was written, and asks after every token what to do next: a thought is left at any token and taken up again.
Source: Mind-Paced Speaking, https://arxiv.org/abs/2510.09592
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Mode = Literal["off", "before", "think_first", "speak_first"]
"""No thoughts; all of them before the first word; a segment of them before it; the first words at once."""

Effort = Literal["minimal", "low", "medium", "high", "xhigh"]

MODE_OF_EFFORT: Mapping[Effort, Mode] = MappingProxyType(
    {
        "minimal": "off",
        "low": "speak_first",
        "medium": "think_first",
        "high": "before",
        "xhigh": "before",
    }
)
"""What a client's `reasoning.effort` asks for."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Lengths of the segments in tokens, and how much speech the listener should have in hand."""

    think: int = 80
    speak: int = 20
    """A segment of speech goes on to the end of the clause under way."""
    budget: int = 800
    """Thoughts for one answer."""
    low_s: float = 2.0
    """Speech is written when less than this is left to hear; it covers a clause's writing and synthesis."""


@dataclass(frozen=True, slots=True)
class Think:
    """Write thoughts."""

    tokens: int
    """At most."""


@dataclass(frozen=True, slots=True)
class Speak:
    """Write speech from the thoughts so far."""

    tokens: int | None
    """At least, and then to the end of the clause. None: to the end of the answer."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Write nothing."""

    until_lead_s: float | None
    """Until no more speech than this is left to hear. None: until the other stream has got further."""


@dataclass(frozen=True, slots=True)
class Done:
    """This stream's work is over."""


class Schedule:
    """One answer's. `lead_s` is the speech that the listener has yet to hear, in seconds: what is sent and not played,
    and what is written in whole clauses and not yet synthesized.

    With one engine slot ask `next`; with two, ask `formulation` and `articulation` side by side.
    """

    def __init__(self, mode: Mode, pace: Pace, slots: Literal[1, 2] = 1) -> None:
        self.thought_tokens = 0
        self.spoken_tokens = 0
        self.thought_through = False
        """Whether the thoughts ended by themselves; those that the budget ends may break off."""
        self._mode = mode
        self._pace = pace
        self._alone = slots == 1
        self._thoughts_over = mode == "off"
        self._answered = False
        self._segment = 0
        """Thoughts since the last speech."""
        self._speaking: int | None = None
        """Tokens of speech in the segment under way; None between segments."""
        self._may_think = mode != "speak_first"

    def thought(self) -> None:
        """A token of thought was written."""
        self.thought_tokens += 1
        self._segment += 1
        self._thoughts_over = self._thoughts_over or self.thought_tokens >= self._pace.budget

    def thoughts_closed(self) -> None:
        """The model has thought it through: by its closing tag, or because it would write nothing more."""
        self._thoughts_over = self.thought_through = True

    def spoke(self, clause_ends: bool = False) -> None:
        """A token of speech was written, with which a clause may have become whole."""
        self.spoken_tokens += 1
        self._speaking = (self._speaking or 0) + 1
        if self._speaking >= self._pace.speak and (clause_ends or self._speaking >= 2 * self._pace.speak):
            self._speaking = None
            self._segment = 0
            self._may_think = True

    def answered(self) -> None:
        """The speech is complete: thoughts would come too late."""
        self._answered = True

    def next(self, lead_s: float) -> Think | Speak | Wait | Done:
        """What the one engine slot does now."""
        speech = self.articulation(lead_s)
        if isinstance(speech, Wait) and isinstance(thought := self.formulation(), Think):
            return thought
        return speech

    def formulation(self) -> Think | Wait | Done:
        """What the stream of thoughts does now."""
        if self._answered or self._thoughts_over:
            return Done()
        if not self._may_think:
            return Wait(None)  # two streams share one machine, and the first words are waited for
        left = self._pace.think - self._segment % self._pace.think
        return Think(min(left, self._pace.budget - self.thought_tokens))

    def articulation(self, lead_s: float) -> Speak | Wait | Done:
        """What the stream of speech does now."""
        if self._answered:
            return Done()
        if self._thoughts_over:
            return Speak(None)
        if self._speaking is not None:
            return Speak(max(self._pace.speak - self._speaking, 0))
        if self.thought_tokens < self._head_start():
            return Wait(None)
        if lead_s > self._pace.low_s:
            return Wait(self._pace.low_s)
        # A slow engine that does nothing but keep the listener busy would never think: it has to pause instead.
        if self._alone and self.spoken_tokens and self._segment < self._pace.speak:
            return Wait(None)
        return Speak(self._pace.speak)

    def goes_on(self, begun: Speak, lead_s: float) -> bool:
        """Whether the stream of speech goes on from the thoughts that it had read when it was told `begun`."""
        if begun.tokens is not None and self._thoughts_over and self._speaking is None and lead_s > self._pace.low_s:
            return False  # there is time to read how the thoughts end
        return isinstance(self.articulation(lead_s), Speak)

    def _head_start(self) -> float:
        """Thoughts before the first word."""
        match self._mode:
            case "before":
                return float("inf")
            case "think_first":
                return self._pace.think
            case _:
                return 0
