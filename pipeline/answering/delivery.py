"""What of one answer has left for the listener, and how much of that was played."""

from collections.abc import Sequence
from dataclasses import replace

from audio.pcm import INPUT_RATE, Pcm
from audio.word_start import word_start
from pipeline.answering.context import AnswerContext
from pipeline.answering.playout import Playout
from pipeline.conversation.items import as_begun
from pipeline.events import Event, ItemAdded, ItemDone, OutputAdded, OutputAudio, OutputDone
from pipeline.listening.echo_detector import PlayedReference

_REMEMBERED = 120 * INPUT_RATE
"""Input samples until audio is played, beyond which no echo of it is expected. A client that asks for answer after
answer without playing them would otherwise make their audio be kept for hours."""


class Delivery:
    """The listener's end of one answer: passes its events on, counts its playout, and remembers its items.

    Samples are of the answer's audio, at `rate` Hz. `into_conversation`: whether its items become the conversation's.
    """

    def __init__(self, response_id: str, rate: int, context: AnswerContext, *, into_conversation: bool) -> None:
        self._rate = rate
        self._context = context
        self._into_conversation = into_conversation
        self._playout = Playout(rate, lambda: context.outlet.played(response_id))
        self._reference = PlayedReference(rate)
        self._is_far_off = False
        """Whether some of its audio was not remembered, and so none that follows is."""
        self._before: dict[str, str | None] = {}
        """The item that stands before each item of the answer."""

    def emit(self, event: Event) -> None:
        """Let an event of the answer out."""
        # An event that was held back tells of its moment, and the item has grown since.
        began = as_begun(event.item) if isinstance(event, OutputAdded) else None
        self._context.outlet.emit(replace(event, item=began) if isinstance(event, OutputAdded) and began else event)
        if isinstance(event, OutputAudio):
            self._playout.send(len(event.pcm), self._context.clock())
            self._is_far_off = self._is_far_off or self.ends - self._context.clock() > _REMEMBERED
            if not self._is_far_off:
                self._reference.send(event.pcm)
        if not self._into_conversation:
            return
        match event:
            case OutputAdded() if began is not None:
                after = self._before[event.item.id] = self._context.conversation.insert(event.item)
                self._context.outlet.emit(ItemAdded(began, after))
            case OutputDone():
                self._context.outlet.emit(ItemDone(event.item, self._before[event.item.id]))

    def begin(self, at: int) -> None:
        """Nothing is played before the input sample `at`, when the answer before this one ends."""
        self._playout.begin(at)

    def hold(self) -> None:
        """Playing waits where it is."""
        self._playout.hold(self._context.clock())

    def resume(self, words: Sequence[tuple[int, int]]) -> None:
        """Playing continues where it was held, or at the beginning of the one of `words` that it broke off."""
        self._playout.resume(self._context.clock())
        start = word_start(words, self.played, self._rate)
        self._playout.rewind(start)
        self._reference.rewind(start)

    @property
    def audible(self) -> bool:
        """Whether the listener still has audio of this answer to hear."""
        return not self._playout.finished(self._context.clock())

    @property
    def ends(self) -> int:
        """The input sample by which all that was sent so far will have been played."""
        return self._playout.ends(self._context.clock())

    @property
    def played(self) -> int:
        """Samples that were played."""
        return self._playout.played(self._context.clock())

    @property
    def played_s(self) -> float:
        return self.played / self._rate

    @property
    def sent_s(self) -> float:
        return self._playout.sent / self._rate

    def take_played(self) -> Pcm:
        """The audio that was played since the last call, at 16 kHz."""
        return self._reference.take(self.played)
