"""Turn taking: when a person has begun to speak, pauses, has finished, or breaks in. Pure; counts samples, not seconds.

listening ──speech──▶ hearing ──silence──▶ pausing ──more silence──▶ listening
    ▲                    ▲ ▲                  │
    │                    │ └──────speech──────┘
answer played            │
    │                    │
responding ──speech──▶ overlap ──it lasts, or its words take the floor (barge-in)
    ▲                    │
    └──it was nothing, or a backchannel
"""

from dataclasses import dataclass
from enum import Enum, auto


class State(Enum):
    LISTENING = auto()
    HEARING = auto()
    PAUSING = auto()
    RESPONDING = auto()
    OVERLAP = auto()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a probability is speech, and how long things must last, in samples at 16 kHz."""

    speech: float
    """Probability from which a frame is speech."""
    silence: float
    """Probability below which it is silence; between the two a frame is what the last one was."""
    min_speech: int
    pause: int
    """Silence until `Paused`."""
    end: int
    """Silence until `TurnEnded`, unless `be_patient` says otherwise."""
    duck: int | None
    """Speech over the agent's voice until `Overlapped`; None: the agent goes on, whoever speaks."""
    hold: int
    """Speech over the agent's voice until `Persisted`."""
    interrupt: int
    """Speech over the agent's voice, small gaps included, that is a barge-in whatever its words are."""
    overhear: int
    """Speech over the agent's voice between two `Overheard`."""
    lift: int
    """Silence after which speech that was no barge-in is over."""
    max_turn: int
    idle: int | None = None
    """Silence behind an answer until `Idle`; None: never."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """A turn begins at the sample `at`; `interrupting` when the agent is still being heard."""

    at: int
    interrupting: bool


@dataclass(frozen=True, slots=True)
class Paused:
    """The speech ended, for now, at the sample `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The pause was none: speech goes on, in the same turn."""

    at: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over; its last speech ended at the sample `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Overlapped:
    """Speech over the agent's voice begins at the sample `at`: a barge-in, a backchannel, or a cough."""

    at: int


@dataclass(frozen=True, slots=True)
class Persisted:
    """It lasts."""


@dataclass(frozen=True, slots=True)
class Overheard:
    """It has paused, or has gone on for a while: `judge` what was said from the sample `since` on.

    While it is `going_on` its last word is cut.
    """

    since: int
    going_on: bool


@dataclass(frozen=True, slots=True)
class Lifted:
    """It is over and was no barge-in."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody has spoken from `start` until `end`."""

    start: int
    end: int


Decision = SpeechBegan | Paused | Resumed | TurnEnded | Overlapped | Persisted | Overheard | Lifted | Idle


class TurnTaking:
    """Feed it each frame's speech probability; it decides."""

    def __init__(self, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        """May be replaced at any time; holds from the next frame on."""
        self._state = State.LISTENING
        self._position = 0
        self._speaking = False
        self._run_start = 0
        """Where the present stretch of speech or silence began."""
        self._began = 0
        self._speech_end = 0
        self._idle_since: int | None = None
        self._patience: int | None = None
        """Silence that ends this pause's turn; None: the usual one."""
        self._persists = False
        """Whether this overlap has lasted."""
        self._barge_in: bool | None = None
        """What this overlap was judged to be; None: not yet."""
        self._silenced = False
        """Whether the agent has fallen silent meanwhile."""
        self._overheard = 0
        """Where it was last overheard."""

    @property
    def state(self) -> State:
        return self._state

    def responding(self) -> None:
        """The agent has the floor."""
        if self._state is State.LISTENING:
            self._state = State.RESPONDING

    def responded(self) -> None:
        """The answer was played to its end, or was stopped."""
        if self._state is State.OVERLAP:
            self._barge_in = self._silenced = True  # who speaks on now has the floor
        elif self._state is State.RESPONDING:
            self._fall_silent()

    def be_patient(self, samples: int) -> None:
        """Let this pause end the turn when it has lasted `samples`, be that already so."""
        if self._state is State.PAUSING:
            self._patience = samples

    def judge(self, barge_in: bool) -> None:
        """Say what the speech over the agent's voice is. That it is none holds until there is more of it."""
        if self._state is State.OVERLAP and (barge_in or not self._speaking):
            self._barge_in = barge_in

    def reset(self) -> None:
        """Forget what the person has said and is saying."""
        if self._state is State.OVERLAP and not self._silenced:
            self._state = State.RESPONDING
        elif self._state is not State.RESPONDING:
            self._state = State.LISTENING
        self._speaking = False
        self._run_start = self._position
        self._idle_since = None

    def frame(self, probability: float, samples: int) -> list[Decision]:
        """Take the probability of the next `samples` samples and say what follows, in order."""
        start, self._position = self._position, self._position + samples
        floor = self.thresholds.silence if self._speaking else self.thresholds.speech
        if (probability >= floor) != self._speaking:
            self._speaking = not self._speaking
            self._run_start = start
        lasted = self._position - self._run_start
        return self._heard_speech(lasted) if self._speaking else self._heard_silence(lasted)

    def _heard_speech(self, lasted: int) -> list[Decision]:
        limits = self.thresholds
        match self._state:
            case State.LISTENING if lasted >= limits.min_speech:
                return [self._begin(interrupting=False)]
            case State.RESPONDING if limits.duck is None and lasted >= limits.min_speech:
                return [self._begin(interrupting=True)]
            case State.RESPONDING if limits.duck is not None and lasted >= limits.duck:
                return [self._overlap(), *self._heard_overlap(lasted)]
            case State.OVERLAP:
                return self._heard_overlap(lasted)
            case State.PAUSING if lasted >= limits.min_speech:
                self._state = State.HEARING
                self._speech_end = self._position
                return [Resumed(self._run_start)]
            case State.HEARING:
                self._speech_end = self._position
                if self._position - self._began >= limits.max_turn:
                    self._run_start = self._position  # what follows is the next turn's
                    return [Paused(self._position), self._end()]
        return []

    def _heard_overlap(self, lasted: int) -> list[Decision]:
        limits = self.thresholds
        self._speech_end = self._position
        self._barge_in = self._barge_in or None
        goes_on = self._position - self._began
        if (self._barge_in and lasted >= limits.min_speech) or goes_on >= limits.interrupt:
            return [self._begin(interrupting=True, since=self._began)]
        if not self._persists and lasted >= limits.hold:
            self._persists = True
            return [Persisted()]
        if self._persists and self._position - self._overheard >= limits.overhear:
            self._overheard = self._position
            return [Overheard(self._began, going_on=True)]
        return []

    def _paused_overlap(self) -> list[Decision]:
        """Silence in an overlap."""
        limits, silent_for = self.thresholds, self._silent_for()
        if self._barge_in and self._persists:
            return [self._begin(interrupting=True, since=self._began)]
        if self._persists and self._overheard <= self._speech_end and silent_for >= limits.pause:
            self._overheard = self._position
            return [Overheard(self._began, going_on=False)]
        if silent_for >= limits.lift and (self._barge_in is False or not self._persists):
            self._state = State.RESPONDING
            if self._silenced:
                self._fall_silent()
            return [Lifted()]
        return []

    def _heard_silence(self, lasted: int) -> list[Decision]:
        limits = self.thresholds
        decisions: list[Decision] = []
        if self._state is State.OVERLAP:
            return self._paused_overlap()
        if self._state is State.HEARING and self._silent_for() >= limits.pause:
            self._state = State.PAUSING
            self._patience = None
            decisions.append(Paused(self._speech_end))
        if self._state is State.PAUSING and self._silent_for() >= (self._patience or limits.end):
            decisions.append(self._end())
        if self._state is State.LISTENING and self._idle_since is not None and limits.idle is not None:
            since = max(self._idle_since, self._run_start)
            if self._position - since >= limits.idle:
                self._idle_since = None
                decisions.append(Idle(since, self._position))
        return decisions

    def _silent_for(self) -> int:
        # Counted from the last real speech: a click inside a pause does not begin it anew.
        return self._position - self._speech_end

    def _overlap(self) -> Overlapped:
        self._state = State.OVERLAP
        self._began = self._overheard = self._run_start
        self._persists = self._silenced = False
        self._barge_in = None
        return Overlapped(self._began)

    def _fall_silent(self) -> None:
        self._state = State.LISTENING
        self._idle_since = self._position

    def _begin(self, interrupting: bool, since: int | None = None) -> SpeechBegan:
        """Speech began with the present stretch of it, or `since`."""
        self._state = State.HEARING
        self._began = self._run_start if since is None else since
        if self._speaking:
            self._speech_end = self._position
        self._idle_since = None
        return SpeechBegan(self._began, interrupting)

    def _end(self) -> TurnEnded:
        self._state = State.LISTENING
        return TurnEnded(self._speech_end)
