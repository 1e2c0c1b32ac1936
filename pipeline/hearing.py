"""What comes in through the ear: the clock, the detector, turn taking, and the utterance that is open."""

from collections.abc import Callable, Iterator

from pipeline.audio import INPUT_RATE, Recent, silence
from pipeline.echo import WINDOW, EchoDetector
from pipeline.encoders.encoder import Encoder
from pipeline.ids import new_id
from pipeline.prosody import Prosody
from pipeline.timeline import Arrivals, Timeline
from pipeline.turn import Decision, Thresholds, TurnTaking
from pipeline.utterance import Utterance
from pipeline.vad import FRAME_SAMPLES, Vad
from pipeline.workers import Urgency, Workers
from tts.synthesizer import Pcm

_BLOCK_SAMPLES = INPUT_RATE // 2
"""The detector is asked once a block, so a long append does not keep a thread for long."""

_KEPT_SAMPLES = 8 * INPUT_RATE
"""The recent past. A turn takes the moment before its first word from it, at most 5 s if the client wants so, and the
time until speech is certain; a second opinion on its end hears all of it."""


class Hearing:
    """One conversation's ear. Its clock counts every input sample, silence that stands in for missing audio too."""

    def __init__(
        self,
        vad: Vad,
        encoder: Encoder,
        workers: Workers,
        thresholds: Thresholds,
        ear: Encoder | None = None,
        prosody: Prosody | None = None,
    ) -> None:
        """`ear`: that of a decoder which hears. `prosody`: for one that is to know how things are said."""
        self.clock = 0
        """The conversation's time: input samples up to the frame that is being decided on."""
        self.received = 0
        """Input samples so far; what is beyond `clock` waits for its decision."""
        self.arrivals = Arrivals()
        self.turn = TurnTaking(thresholds)
        self.utterance: Utterance | None = None
        """The turn that the person has open."""
        self.timeline = Timeline()
        """Of the turn that is open."""
        self.loudspeaker: Callable[[], Pcm | None] = lambda: None
        """Gives what the listener was played since it was last asked; None: silence."""
        self._vad = vad.open()
        self._encoder = encoder
        self._ear = ear
        self._prosody = prosody
        self._workers = workers
        self._recent = Recent(_KEPT_SAMPLES)
        self._echo = EchoDetector()
        self._taken = 0
        """Input samples that belong to turns which are over: no later turn hears them again."""

    async def push(self, pcm: Pcm, in_turn: bool = True) -> Iterator[Decision]:
        """Take at most one block of audio; an open utterance hears it too if it is `in_turn`.

        The decisions must be taken one by one: the clock moves on with them, so that each is acted on at its own time,
        however much audio came at once.
        """
        self.received += len(pcm)
        self.arrivals.note(self.received)
        self._recent.push(pcm)
        probabilities = await self._workers.run(Urgency.DETECT, lambda: self._vad.push(pcm))
        if self.utterance is not None and in_turn:
            # Only now: what lies behind the end of a turn is taken back from it before anybody listens.
            self.utterance.add(pcm)
        return self._decisions(probabilities)

    def open_utterance(self, since: int) -> int:
        """Begin a turn with the audio from the sample `since` on, or what is left of it; gives its first sample."""
        since = max(since, self._taken, self.received - _KEPT_SAMPLES)
        self.utterance = self.new_utterance(new_id("item"))
        self.utterance.add(self._recent.last(self.received - since))
        self.timeline = Timeline()
        return since

    def new_utterance(self, item_id: str) -> Utterance:
        """One that nothing goes into unasked."""
        sound = self._ear.open() if self._ear is not None else None
        manner = self._prosody.open() if self._prosody is not None else None
        return Utterance(item_id, self._encoder.open(), self._workers, sound, manner)

    def recent(self) -> Pcm:
        """The last seconds of sound."""
        return self._recent.last(_KEPT_SAMPLES)

    def since(self, at: int) -> Pcm:
        """The sound from the sample `at` until the clock, or what is left of it."""
        sound = self._recent.last(self.received - at)
        return sound[: len(sound) - (self.received - self.clock)]

    def close_utterance(self) -> Utterance | None:
        utterance, self.utterance = self.utterance, None
        if utterance is not None:
            # What came in with the block and lies behind the decision is the next turn's.
            utterance.cut(self.received - self.clock)
            self._taken = self.clock
        return utterance

    def _decisions(self, probabilities: list[float]) -> Iterator[Decision]:
        for probability in probabilities:
            self.clock += FRAME_SAMPLES
            played = self.loudspeaker()
            self._echo.played(silence(FRAME_SAMPLES) if played is None else played)
            self._echo.heard(self._just_heard())
            if probability >= self.turn.thresholds.silence and self._echo.explains():
                probability = 0.0
            yield from self.turn.frame(probability, FRAME_SAMPLES)

    def _just_heard(self) -> Pcm:
        return self._recent.last(self.received - self.clock + WINDOW)[:WINDOW]


def blocks(pcm: Pcm) -> Iterator[Pcm]:
    """`pcm` in pieces that `Hearing.push` takes."""
    for start in range(0, len(pcm), _BLOCK_SAMPLES):
        yield pcm[start : start + _BLOCK_SAMPLES]
