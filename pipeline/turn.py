"""Turn taking: when a person has begun to speak, pauses, has finished, or breaks in. Pure; counts samples, not seconds.

listening ──speech──▶ hearing ──silence──▶ pausing ──more silence──▶ listening
    ▲                    ▲ ▲                  │
    │                    │ └──────speech──────┘
answer played            │
    │                    │
responding ──speech that lasts (barge-in)
"""

from dataclasses import dataclass
from enum import Enum, auto


class State(Enum):
    LISTENING = auto()
    HEARING = auto()
    PAUSING = auto()
    RESPONDING = auto()


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
    interrupt: int
    """Speech until a barge-in counts."""
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
class Idle:
    """Nobody has spoken from `start` until `end`."""

    start: int
    end: int


Decision = SpeechBegan | Paused | Resumed | TurnEnded | Idle


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

    @property
    def state(self) -> State:
        return self._state

    def responding(self) -> None:
        """The agent has the floor."""
        if self._state is State.LISTENING:
            self._state = State.RESPONDING

    def responded(self) -> None:
        """The answer was played to its end, or was stopped."""
        if self._state is State.RESPONDING:
            self._state = State.LISTENING
            self._idle_since = self._position

    def be_patient(self, samples: int) -> None:
        """Let this pause end the turn when it has lasted `samples`, be that already so."""
        if self._state is State.PAUSING:
            self._patience = samples

    def reset(self) -> None:
        """Forget the turn that is open, if any."""
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
            case State.RESPONDING if lasted >= limits.interrupt:
                return [self._begin(interrupting=True)]
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

    def _heard_silence(self, lasted: int) -> list[Decision]:
        limits = self.thresholds
        decisions: list[Decision] = []
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

    def _begin(self, interrupting: bool) -> SpeechBegan:
        self._state = State.HEARING
        self._began = self._run_start
        self._speech_end = self._position
        self._idle_since = None
        return SpeechBegan(self._run_start, interrupting)

    def _end(self) -> TurnEnded:
        self._state = State.LISTENING
        return TurnEnded(self._speech_end)
