"""Where input audio arrives: the clock, speech detection, turn taking, and the open utterance."""

import logging
from collections.abc import Callable, Iterator

from audio.pcm import INPUT_RATE, Pcm, silence
from audio.ring_buffer import RingBuffer
from pipeline.encoders.encoder import Encoder
from pipeline.listening.caller.caller_voice import CallerVoice
from pipeline.listening.caller.speaker_encoder import SpeakerEncoder
from pipeline.listening.echo_detector import EchoDetector
from pipeline.listening.prosody import Prosody
from pipeline.listening.sample_clock import SampleClock
from pipeline.listening.turn_taking import Decision, Paused, Resumed, TurnTaking
from pipeline.listening.utterance import Utterance
from pipeline.listening.vad import FRAME_SAMPLES, Vad
from pipeline.runtime.ids import new_id
from pipeline.runtime.timeline import ArrivalTimes, Timeline
from pipeline.runtime.workers import Urgency, Workers

log = logging.getLogger(__name__)

_BLOCK_SAMPLES = INPUT_RATE // 2
"""The detector is asked once a block, so a long append does not keep a thread for long."""

_KEPT_SAMPLES = 8 * INPUT_RATE
"""The recent past. A turn takes the moment before its first word from it, at most 5 s if the client wants so, and the
time until speech is certain; a second opinion on its end hears all of it."""


class AudioInput:
    """The input of one conversation: counts its samples, detects speech in them, and holds the open utterance.

    Every input sample advances the clock, silence that stands in for missing audio included.
    """

    def __init__(
        self,
        vad: Vad,
        encoder: Encoder,
        workers: Workers,
        turn: TurnTaking,
        clock: SampleClock,
        played: Callable[[], Pcm | None],
        *,
        softer_db: float = 0.0,
        speaker_encoder: SpeakerEncoder | None = None,
        sound_encoder: Encoder | None = None,
        prosody: Prosody | None = None,
    ) -> None:
        """`played` returns the agent's sound that was played since its last call, at 16 kHz; None: silence.

        `softer_db`: how much softer than the caller speech may be, as in `CallerVoice`. What is softer is the caller's
        if `speaker_encoder` finds so; None: never.
        `sound_encoder` is that of a decoder that hears; `prosody` is for a decoder that reads how things are said.
        """
        self.received = 0
        """Input samples so far; what is beyond the clock waits for its decision."""
        self.turn = turn
        self.utterance: Utterance | None = None
        """The turn that the person has open."""
        self.timeline = Timeline()
        """Timeline of the open turn."""
        self._clock = clock
        self._played = played
        self._vad = vad.open()
        self._encoder = encoder
        self._sound_encoder = sound_encoder
        self._prosody = prosody
        self._workers = workers
        self._arrivals = ArrivalTimes()
        self._recent = RingBuffer(_KEPT_SAMPLES)
        self._echo = EchoDetector()
        self._caller = CallerVoice(softer_db)
        self._speaker_encoder = speaker_encoder
        self._opened = 0
        """First sample of the open utterance."""
        self._taken = 0
        """Input samples that belong to turns which are over: no later turn hears them again."""

    async def push(self, pcm: Pcm, in_turn: bool = True) -> Iterator[Decision]:
        """Take at most one block of audio (16 kHz); an open utterance hears it too if it is `in_turn`.

        Act on each decision before taking the next: the clock advances with them, so that each is acted on at its own
        time, however much audio came at once.
        """
        self.received += len(pcm)
        self._arrivals.note(self.received)
        self._recent.push(pcm)
        self._echo.take(pcm)
        await self._compare_voices()
        probabilities = await self._workers.run(Urgency.DETECT, lambda: self._vad.push(pcm))
        if self.utterance is not None and in_turn:
            # Only now: what follows the end of a turn is taken back from it before anybody listens.
            self.utterance.add(pcm)
        return self._decisions(probabilities)

    def open_utterance(self, since: int) -> int:
        """Begin a turn with the audio from the sample `since` on, or what is left of it; return its first sample."""
        since = max(since, self._taken, self.received - _KEPT_SAMPLES)
        self.utterance = self.new_utterance(new_id("item"))
        self.utterance.add(self._recent.last(self.received - since))
        self._opened = since
        self.timeline = Timeline()
        return since

    def new_utterance(self, item_id: str) -> Utterance:
        """An utterance that no input goes into by itself."""
        sound = self._sound_encoder.open() if self._sound_encoder is not None else None
        manner = self._prosody.open() if self._prosody is not None else None
        return Utterance(item_id, self._encoder.open(), self._workers, sound, manner, self._encoder.open)

    def turn_so_far(self) -> Pcm:
        """The open turn until now, or its last 8 s."""
        return self.since(self._opened)

    def since(self, at: int) -> Pcm:
        """The input from the sample `at` until now, or what is left of it."""
        sound = self._recent.last(min(self.received - at, _KEPT_SAMPLES))
        return sound[: len(sound) - (self.received - self._clock.now())]

    def close_utterance(self) -> Utterance | None:
        utterance, self.utterance = self.utterance, None
        if utterance is not None:
            # What came in with the block and follows the decision is the next turn's.
            utterance.cut(self.received - self._clock.now())
            self._taken = self._clock.now()
        return utterance

    def end_speech_here(self, speaking: bool) -> None:
        """The client ends the turn: its speech ended with the newest sample if the person was `speaking`."""
        if speaking or self.timeline.speech_ended is None:
            self.timeline.speech_ended = self._arrivals.at(self.received)

    async def _compare_voices(self) -> None:
        """Find out whether speech that is too soft to begin a turn is the caller's all the same."""
        encoder = self._speaker_encoder
        if encoder is None or (comparison := self._caller.comparison()) is None:
            return
        try:
            same = await self._workers.run(Urgency.LISTEN, lambda: comparison.same_voice(encoder))
        except Exception:
            log.exception("a voice could not be compared with the caller's; its level decides")
        else:
            if same:
                self._caller.know()

    def _decisions(self, probabilities: list[float]) -> Iterator[Decision]:
        for probability in probabilities:
            self._clock.advance(FRAME_SAMPLES)
            played = self._played()
            self._echo.play(silence(FRAME_SAMPLES) if played is None else played)
            self._echo.hear(self.received - self._clock.now())
            if probability >= self.turn.silence and self._echo.explains():
                probability = 0.0
            if not self._caller.fits(self._last_frame(), probability >= self.turn.silence):
                probability = 0.0
            for decision in self.turn.frame(probability, FRAME_SAMPLES, self._caller.waited_since):
                self._stamp(decision)
                yield decision

    def _stamp(self, decision: Decision) -> None:
        match decision:
            case Paused():
                self.timeline.speech_ended = self._arrivals.at(decision.at)
                self.timeline.stamp("pause_seen")
            case Resumed():
                self.timeline = Timeline()

    def _last_frame(self) -> Pcm:
        return self._recent.last(self.received - self._clock.now() + FRAME_SAMPLES)[:FRAME_SAMPLES]


def blocks(pcm: Pcm) -> Iterator[Pcm]:
    """`pcm` in pieces that `AudioInput.push` takes."""
    for start in range(0, len(pcm), _BLOCK_SAMPLES):
        yield pcm[start : start + _BLOCK_SAMPLES]
