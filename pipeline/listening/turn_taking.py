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

from dataclasses import dataclass, field
from enum import Enum, auto

from pipeline.listening.overlap import Outcome, Overheard, Overlap, OverlapLimits, Persisted, Released, Step


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
    """Speech over the agent's voice until `Overlapped`; None: the agent speaks on, whoever else does."""
    overlap: OverlapLimits
    max_turn: int
    looks: tuple[int, ...] = ()
    """Silences of a pause at which it `Lasts`."""
    idle: int | None = None
    """Silence after an answer until `Idle`; None: never."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """A turn begins at the sample `at`; `interrupting` when the agent is still being heard."""

    at: int
    interrupting: bool
    since_voice: int | None = field(default=None, compare=False)
    """Samples since the agent fell silent; None: it has not spoken yet."""


@dataclass(frozen=True, slots=True)
class Paused:
    """The speech ended, for now, at the sample `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Lasts:
    """The pause has lasted `silence` samples, and the turn is not over yet."""

    silence: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The pause was not the end: speech resumes, in the same turn."""

    at: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over; its last speech ended at the sample `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Overlapped:
    """Speech over the agent's voice begins at the sample `at`: a barge-in, a backchannel, or a cough."""

    at: int
    overlap: Overlap = field(compare=False)
    """Takes the judgement which of them it is."""


@dataclass(frozen=True, slots=True)
class Lifted:
    """The speech over the agent's voice is over and was no barge-in."""

    overlap: Overlap = field(compare=False)


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody has spoken from `start` until `end`."""

    start: int
    end: int


Decision = (
    SpeechBegan | Paused | Lasts | Resumed | TurnEnded | Overlapped | Persisted | Released | Overheard | Lifted | Idle
)


class TurnTaking:
    """Decides from each frame's speech probability when turns begin, pause and end."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._state = State.LISTENING
        self._position = 0
        self._speaking = False
        self._run_start = 0
        """Where the present stretch of speech or silence began."""
        self._began = 0
        self._speech_end = 0
        self._idle_since: int | None = None
        self._fell_silent: int | None = None
        """Where the agent was last heard; None: it has not spoken yet."""
        self._patience: int | None = None
        """Silence that ends this pause's turn; None: the usual one."""
        self._looks: list[int] = []
        """Silences of this pause that are still to be reported."""
        self._overlap: Overlap | None = None
        """The speech over the agent's voice, in the state OVERLAP."""

    @property
    def state(self) -> State:
        return self._state

    @property
    def silence(self) -> float:
        """Speech probability below which a frame is silence."""
        return self._thresholds.silence

    def adopt(self, thresholds: Thresholds) -> None:
        """Go by other thresholds from the next frame on."""
        self._thresholds = thresholds

    def responding(self) -> None:
        """The agent has the floor."""
        if self._state is State.LISTENING:
            self._state = State.RESPONDING

    def responded(self) -> None:
        """The answer was played to its end, or was stopped."""
        if self._overlap is not None:
            self._overlap.end_answer()
        elif self._state is State.RESPONDING:
            self._fall_silent()

    def be_patient(self, samples: int) -> None:
        """Let this pause end the turn when it has lasted `samples`, be that already so."""
        if self._state is State.PAUSING:
            self._patience = samples

    def reset(self) -> None:
        """Forget what the person has said and is saying."""
        if self._overlap is not None and not self._overlap.answer_is_over:
            self._state = State.RESPONDING
        elif self._state is not State.RESPONDING:
            self._state = State.LISTENING
        self._overlap = None
        self._speaking = False
        self._run_start = self._position
        self._idle_since = None

    def frame(self, probability: float, samples: int, since: int | None = None) -> list[Decision]:
        """Take the probability of the next `samples` samples and say what follows, in order.

        `since`: the first sample of this stretch of speech, where that was found to be speech only now.
        """
        start, self._position = self._position, self._position + samples
        floor = self._thresholds.silence if self._speaking else self._thresholds.speech
        if (probability >= floor) != self._speaking:
            self._speaking = not self._speaking
            self._run_start = start if since is None or not self._speaking else min(since, start)
        lasted = self._position - self._run_start
        return self._heard_speech(lasted) if self._speaking else self._heard_silence(lasted)

    def _heard_speech(self, lasted: int) -> list[Decision]:
        limits = self._thresholds
        if self._overlap is not None:
            return self._follow(self._overlap, self._overlap.speech(self._position, lasted, limits.overlap))
        match self._state:
            case State.LISTENING if lasted >= limits.min_speech:
                return [self._begin(self._run_start, interrupting=False)]
            case State.RESPONDING if limits.duck is None and lasted >= limits.min_speech:
                return [self._begin(self._run_start, interrupting=True)]
            case State.RESPONDING if limits.duck is not None and lasted >= limits.duck:
                self._state = State.OVERLAP
                self._overlap = Overlap(self._run_start)
                return [Overlapped(self._run_start, self._overlap), *self._heard_speech(lasted)]
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
        limits = self._thresholds
        decisions: list[Decision] = []
        if self._overlap is not None:
            return self._follow(self._overlap, self._overlap.silence(self._position, limits.overlap))
        if self._state is State.HEARING and self._silent_for() >= limits.pause:
            self._state = State.PAUSING
            self._patience = None
            self._looks = list(limits.looks)
            decisions.append(Paused(self._speech_end))
        if self._state is State.PAUSING and self._silent_for() >= (self._patience or limits.end):
            decisions.append(self._end())
        elif self._state is State.PAUSING and self._looks and self._silent_for() >= self._looks[0]:
            decisions.append(Lasts(self._looks.pop(0)))
        if self._state is State.LISTENING and self._idle_since is not None and limits.idle is not None:
            since = max(self._idle_since, self._run_start)
            if self._position - since >= limits.idle:
                self._idle_since = None
                decisions.append(Idle(since, self._position))
        return decisions

    def _follow(self, overlap: Overlap, steps: list[Step]) -> list[Decision]:
        """Pass on what the overlap asks for; where it has ended, drop it."""
        return [self._after(overlap, step) if isinstance(step, Outcome) else step for step in steps]

    def _after(self, overlap: Overlap, outcome: Outcome) -> Decision:
        self._overlap = None
        overlap.end()
        if outcome is Outcome.TAKES_FLOOR:
            self._speech_end = overlap.speech_end
            return self._begin(overlap.began, interrupting=True)
        self._state = State.RESPONDING
        if overlap.answer_is_over:
            self._fall_silent()
        return Lifted(overlap)

    def _silent_for(self) -> int:
        # Counted from the last real speech: a click inside a pause does not begin it anew.
        return self._position - self._speech_end

    def _fall_silent(self) -> None:
        self._state = State.LISTENING
        self._idle_since = self._fell_silent = self._position

    def _begin(self, since: int, interrupting: bool) -> SpeechBegan:
        """Speech began at the sample `since`."""
        self._state = State.HEARING
        self._began = since
        if self._speaking:
            self._speech_end = self._position
        self._idle_since = None
        if interrupting:
            self._fell_silent = since
        since_voice = None if self._fell_silent is None else max(since - self._fell_silent, 0)
        return SpeechBegan(since, interrupting, since_voice)

    def _end(self) -> TurnEnded:
        self._state = State.LISTENING
        return TurnEnded(self._speech_end)
