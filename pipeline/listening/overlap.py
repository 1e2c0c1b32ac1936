"""Speech over the agent's voice: a click, a backchannel, or a barge-in. Pure; counts samples, not seconds.

brief ──lasts──▶ lasting ──judged a barge-in──▶ taking ──▶ the floor is taken
  │ │              │   ▲                           ▲
  │ │     harmless ◀───┘ more speech               │
  │ │              │                               │
  │ └─the answer ends, or is about to─▶ claiming ──┘ speaks on
  ▼                ▼                        ▼
  over            over                     over
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from pipeline.listening.wording.backchannels import Meaning


class Phase(Enum):
    BRIEF = auto()
    """Perhaps a click: too short to hold the answer for."""
    CLAIMING = auto()
    """Just as short, but nobody is being talked over: if it lasts, it is a turn."""
    LASTING = auto()
    """Nobody knows yet what it is."""
    HARMLESS = auto()
    """Judged to leave the agent the floor, until there is more speech."""
    TAKING = auto()
    """A barge-in."""


class Outcome(Enum):
    """How an overlap ends."""

    TAKES_FLOOR = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class OverlapLimits:
    """Durations in samples at 16 kHz."""

    hold: int
    """Speech until `Persisted`."""
    held: int
    """Time from `Persisted` until `Released`, while no words are recognized. Ongoing speech is looked at first."""
    interrupt: int
    """Speech, small gaps included, that takes the floor whatever its words are."""
    overhear: int
    """Speech between two `Overheard`."""
    lift: int
    """Silence after which speech that does not take the floor is over."""
    pause: int
    """Silence until `Overheard`."""
    min_speech: int
    """Speech that is more than a click."""


@dataclass(frozen=True, slots=True)
class Persisted:
    """The speech over the agent's voice lasts."""

    overlap: "Overlap" = field(compare=False)


@dataclass(frozen=True, slots=True)
class Released:
    """The answer has waited for long enough: no words were recognized."""

    overlap: "Overlap" = field(compare=False)


@dataclass(frozen=True, slots=True)
class Overheard:
    """The speech has paused, or has gone on for a while: `overlap.judge` what was said from the sample `since` on.

    While it is `going_on`, its last word is cut.
    """

    since: int
    going_on: bool
    overlap: "Overlap" = field(compare=False)


Step = Persisted | Released | Overheard | Outcome
"""What a frame leads to."""


class Overlap:
    """One stretch of speech over the agent's voice, with small gaps in it.

    `speech` and `silence` take one frame each and return what follows. Positions are samples of the input clock.
    """

    def __init__(self, began: int) -> None:
        self.began = began
        """The first sample of speech."""
        self.answer_is_over = False
        """Whether the agent has fallen silent meanwhile."""
        self._phase = Phase.BRIEF
        self._overheard = began
        """Where it was last overheard."""
        self._look: Overheard | None = None
        self._held_since: int | None = None
        self._released = False
        self._looked = False
        """Whether what it means has been judged at least once."""
        self._may_be_words = False
        """Whether the newest look found words that may take the floor."""
        self.text = ""
        """The words that the newest look found and that begin no turn."""
        self.over = False
        """Whether it has ended."""
        self.speech_end = began
        """Where its last speech ended, so far."""
        self._speaking = True

    @property
    def phase(self) -> Phase:
        return self._phase

    def judge(self, look: Overheard, meaning: Meaning, text: str = "") -> None:
        """Say what came of the newest look; that it is no barge-in holds until there is more speech.

        An older look counts where it found a barge-in and the speech still goes on: slow looks would find none in time.
        """
        if not self.is_newest(look):
            if meaning is Meaning.TURN and self._look is not None and self._look.going_on:
                self.claim()
            return
        self.text = text
        self._looked = True
        if meaning is Meaning.TURN:
            self.claim()
        self._may_be_words = meaning is Meaning.ASIDE
        if meaning is not Meaning.TURN and self._phase is Phase.LASTING and not self._speaking:
            self._phase = Phase.HARMLESS

    def is_newest(self, look: Overheard) -> bool:
        """Whether nothing was overheard after `look`."""
        return look is self._look

    def claim(self) -> None:
        """Nobody is being talked over: whoever speaks on has the floor."""
        self._phase = Phase.CLAIMING if self._phase in (Phase.BRIEF, Phase.CLAIMING) else Phase.TAKING

    def end_answer(self) -> None:
        """The answer was played to its end, or was stopped."""
        self.answer_is_over = True
        self.claim()

    def end(self) -> None:
        """It has become a turn, or is over."""
        self.over = True

    def speech(self, position: int, lasted: int, limits: OverlapLimits) -> list[Step]:
        """Take a frame of speech that ends at `position`; this stretch of it has `lasted` so many samples."""
        self.speech_end, self._speaking = position, True
        if self._phase is Phase.HARMLESS:
            self._phase = Phase.LASTING
        claimed = self._phase in (Phase.CLAIMING, Phase.TAKING)
        if (claimed and lasted >= limits.min_speech) or position - self.began >= limits.interrupt:
            return [Outcome.TAKES_FLOOR]
        if lasted >= limits.hold and self._phase in _LASTS:
            self._phase = _LASTS[self._phase]
            self._held_since = position
            return [Persisted(self)]
        # Resumed before a slow look has found their words, the voice would drown them.
        if self._looked and self._waits_too_long(position, limits):
            return [Released(self)]
        if self._phase in (Phase.LASTING, Phase.TAKING) and position - self._overheard >= limits.overhear:
            return [self._overhear(position, going_on=True)]
        return []

    def silence(self, position: int, limits: OverlapLimits) -> list[Step]:
        """Take a frame of silence that ends at `position`."""
        self._speaking = False
        # Counted from the last real speech: a click inside a gap does not begin it anew.
        silent_for = position - self.speech_end
        if self._waits_too_long(position, limits):
            return [Released(self)]
        match self._phase:
            case Phase.TAKING:
                return [Outcome.TAKES_FLOOR]
            case Phase.LASTING | Phase.HARMLESS if self._overheard <= self.speech_end and silent_for >= limits.pause:
                return [self._overhear(position, going_on=False)]
            case Phase.BRIEF | Phase.CLAIMING | Phase.HARMLESS if silent_for >= limits.lift:
                return [Outcome.OVER]
        return []

    def _waits_too_long(self, position: int, limits: OverlapLimits) -> bool:
        if self._held_since is None or self._released or self._may_be_words or self._phase is not Phase.LASTING:
            return False
        self._released = position - self._held_since >= limits.held
        return self._released

    def _overhear(self, position: int, going_on: bool) -> Overheard:
        self._overheard = position
        self._look = Overheard(self.began, going_on, self)
        return self._look


_LASTS = {Phase.BRIEF: Phase.LASTING, Phase.CLAIMING: Phase.TAKING}
"""What speech becomes that lasts for longer than a click."""
