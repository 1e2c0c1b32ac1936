"""When to think and when to speak, paced by the speech that is still to be played. Pure.

A formulation stream writes thoughts, an articulation stream writes speech from the thoughts so far. Their runner
reports every token and asks what to do next: a thought can be left at any token and resumed later.
Source: Mind-Paced Speaking, https://arxiv.org/abs/2510.09592
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Mode = Literal["off", "before", "think_first", "speak_first"]
"""No thoughts; all thoughts before the first word; a segment of thoughts before it; the first words at once."""

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
"""The mode for a client's `reasoning.effort`."""


@dataclass(frozen=True, slots=True)
class ThinkingPace:
    """Lengths of the segments in tokens, and how much speech should be in reserve."""

    think: int = 80
    """Tokens of a segment of thoughts."""
    speak: int = 20
    """Tokens of a segment of speech, which continues to the end of the current clause."""
    budget: int = 800
    """Tokens of thought for one answer."""
    low_s: float = 2.0
    """Seconds left to play below which speech is written; it covers a clause's generation and synthesis."""


@dataclass(frozen=True, slots=True)
class Think:
    """Decision: write thoughts."""

    tokens: int
    """At most so many."""


@dataclass(frozen=True, slots=True)
class Speak:
    """Decision: write speech from the thoughts so far."""

    tokens: int | None
    """At least so many, and then to the end of the clause. None: to the end of the answer."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Decision: write nothing for now."""

    until_lead_s: float | None
    """Until no more speech than this is left to play. None: until the other stream has advanced."""


@dataclass(frozen=True, slots=True)
class Done:
    """Decision: this stream has finished."""


class Schedule:
    """The schedule of one answer. Its decisions depend on the tokens reported and on `lead_s`.

    `lead_s` is the speech that is still to be played, in seconds: what was sent and not played, and what was written in
    whole clauses and not yet synthesized. With one engine slot ask `next`; with two, ask `formulation` and
    `articulation` concurrently.
    """

    def __init__(self, mode: Mode, pace: ThinkingPace, slots: Literal[1, 2] = 1) -> None:
        self.thought_tokens = 0
        self.spoken_tokens = 0
        self.thought_through = False
        """Whether the model ended the thoughts itself; those that the budget ended may be incomplete."""
        self._mode = mode
        self._pace = pace
        self._alone = slots == 1
        self._thoughts_over = mode == "off"
        self._answered = False
        self._segment = 0
        """Tokens of thought since the last speech."""
        self._speaking: int | None = None
        """Tokens of speech in the current segment; None between segments."""
        self._may_think = mode != "speak_first"

    def thought(self) -> None:
        """Report a token of thought."""
        self.thought_tokens += 1
        self._segment += 1
        self._thoughts_over = self._thoughts_over or self.thought_tokens >= self._pace.budget

    def thoughts_closed(self) -> None:
        """Report that the model has ended its thoughts, by a closing tag or by stopping."""
        self._thoughts_over = self.thought_through = True

    def spoke(self, clause_ends: bool = False) -> None:
        """Report a token of speech. `clause_ends`: whether it completed a clause."""
        self.spoken_tokens += 1
        self._speaking = (self._speaking or 0) + 1
        if self._speaking >= self._pace.speak and (clause_ends or self._speaking >= 2 * self._pace.speak):
            self._speaking = None
            self._segment = 0
            self._may_think = True

    def answered(self) -> None:
        """Report that the speech is complete: further thoughts would come too late."""
        self._answered = True

    def next(self, lead_s: float) -> Think | Speak | Wait | Done:
        """Decision for the only engine slot."""
        speech = self.articulation(lead_s)
        if isinstance(speech, Wait) and isinstance(thought := self.formulation(), Think):
            return thought
        return speech

    def formulation(self) -> Think | Wait | Done:
        """Decision for the thinking stream."""
        if self._answered or self._thoughts_over:
            return Done()
        if not self._may_think:
            return Wait(None)  # two streams share one machine, and the listener waits for the first words
        left = self._pace.think - self._segment % self._pace.think
        return Think(min(left, self._pace.budget - self.thought_tokens))

    def articulation(self, lead_s: float) -> Speak | Wait | Done:
        """Decision for the speaking stream."""
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
        # A slow engine that always kept the listener supplied would never think: it has to pause instead.
        if self._alone and self.spoken_tokens and self._segment < self._pace.speak:
            return Wait(None)
        return Speak(self._pace.speak)

    def continues(self, begun: Speak, lead_s: float) -> bool:
        """Whether the speaking stream continues from the thoughts that it had read at the decision `begun`."""
        if begun.tokens is not None and self._thoughts_over and self._speaking is None and lead_s > self._pace.low_s:
            return False  # there is time to read the end of the thoughts
        return isinstance(self.articulation(lead_s), Speak)

    def _head_start(self) -> float:
        """Tokens of thought before the first word."""
        match self._mode:
            case "before":
                return float("inf")
            case "think_first":
                return self._pace.think
            case _:
                return 0
