"""The words of the person's turns: transcribed by the encoder, read by the decoder while they come in."""

import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from audio.pcm import Pcm
from pipeline.answering.context import AnswerContext
from pipeline.conversation.context_sync import ContextSync, ItemUnits
from pipeline.conversation.rendering import as_units
from pipeline.decoders.decoder import Context, Open, Text, Tool
from pipeline.encoders.audio_units import AudioUnit
from pipeline.encoders.encoder import Heard
from pipeline.events import Transcribed, TranscriptionFailed
from pipeline.listening.audio_input import blocks
from pipeline.listening.endpointing import open_words
from pipeline.listening.utterance import Utterance, same_words
from pipeline.runtime.workers import Urgency
from pipeline.user_turns.user_turn import UserTurn

T = TypeVar("T")

log = logging.getLogger(__name__)


class _Read(NamedTuple):
    """Words of an open turn that the decoder has read."""

    item_id: str
    words: str
    probability: float
    """That the turn ends with them."""


class Transcription:
    """Transcribes the user turns of one conversation, and lets the decoder read along."""

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._aside = ContextSync(context.engine.decoder)
        """The context in which a decoder that hears reads words, to judge whether they are complete."""
        self._newest = ""
        """What was understood last of the open turn."""
        self._read_last: _Read | None = None

    async def close(self) -> None:
        await self._aside.close()

    async def listen(self, utterance: Utterance) -> Heard | None:
        """Transcribe what is new and caption what is certain. Returns what is understood so far; None: that failed."""
        try:
            heard = await utterance.listen()
        except Exception:
            # The last look at the turn will meet the same trouble, and reports it.
            log.exception("a turn could not be followed")
            return None
        self._newest = heard.text
        if self._context.settings().transcribe and (news := utterance.newly_committed(heard)):
            self._context.outlet.emit(Transcribed(utterance.item_id, news))
        return heard

    async def hear_clip(self, utterance: Utterance, pcm: Pcm) -> None:
        """Transcribe audio that is complete, piece by piece, so that other work never waits for long."""
        for block in blocks(pcm):
            utterance.add(block)
            await self.listen(utterance)

    async def finish(self, turn: UserTurn) -> None:
        """Transcribe all of a turn that may be over."""
        try:
            heard = await turn.utterance.finish()
        except Exception:
            log.exception("a turn could not be transcribed")
            turn.not_transcribed("the audio could not be transcribed")
        else:
            turn.timeline.stamp("transcript_ready")
            turn.transcribed(heard)

    async def remember_manner(self, turn: UserTurn) -> None:
        """Compare later turns with how this one was said, too."""
        if (manner := turn.utterance.manner) is not None:
            await self._context.engine.workers.run(Urgency.LISTEN, manner.remember)

    async def finish_sound(self, turn: UserTurn) -> None:
        """Encode all sound of a turn that may be over, for a decoder that hears."""
        heard = await turn.utterance.finish_sound()
        turn.heard(heard.units if self._fits(heard.units) else ())

    async def read_ahead(self) -> None:
        """Let the decoder read what comes before the next turn: instructions, tools and the conversation so far."""
        await self.read_sound("", ())

    async def read_along(self, utterance: Utterance, heard: Heard) -> None:
        """Let the decoder read what is certain of the open turn: its sound if it hears, else its words."""
        if utterance.sounding and self._fits(heard.committed_units):
            # Also where nothing is certain yet: what comes before the turn can be read all the same.
            await self.read_sound(utterance.item_id, heard.committed_units)
        await self._judge(utterance.item_id, heard.text, lambda context: context.prefill())

    def likely_words(self, item_id: str, least: float) -> str | None:
        """The words of an open turn as last understood, if the decoder has read them and finds them complete.

        `least`: the probability from which they are.
        """
        probability = self._known(item_id, self._newest)
        return self._newest if probability is not None and probability >= least else None

    async def read_sound(self, item_id: str, sound: tuple[AudioUnit, ...]) -> None:
        """Let the decoder read the sound of the open turn so far."""
        settings = self._context.settings()
        groups = [*as_units(self._context.conversation), ItemUnits(item_id, (Open("user"), *sound))]
        await self._read(self._context.prompt, settings.tools, groups, lambda context: context.prefill())

    async def end_of_turn(self, item_id: str, words: str) -> float | None:
        """Let the decoder read the open turn up to its last word; returns its probability that the turn ends there."""
        return await self._judge(item_id, words, lambda context: context.end_of_turn_probability())

    async def _judge(self, item_id: str, words: str, ask: Callable[[Context], Awaitable[float | None]]) -> float | None:
        """The probability that the turn ends with `words`: what `ask` returns, unless they are those just read."""

        async def asked(context: Context) -> float | None:
            # Another look may have read them while this one waited for the context.
            known = self._known(item_id, words)
            return await ask(context) if known is None else known

        probability = self._known(item_id, words)
        if probability is None:
            probability = await self._read_words(item_id, words, asked)
            self._read_last = None if probability is None else _Read(item_id, words, probability)
        return probability

    def _known(self, item_id: str, words: str) -> float | None:
        read = self._read_last
        return read.probability if read and read.item_id == item_id and same_words(read.words, words) else None

    async def _read_words(self, item_id: str, words: str, ask: Callable[[Context], Awaitable[T]]) -> T | None:
        spoken = ItemUnits(item_id, (Open("user"), Text(open_words(words))))
        if self._context.engine.decoder.audio_encoder is None:
            groups = as_units(self._context.conversation)
            return await self._read(self._context.prompt, self._context.settings().tools, [*groups, spoken], ask)
        # What the words reply to is enough to tell whether they are complete.
        before = [group for group in as_units(self._context.conversation) if group.units[0] == Open("assistant")][-1:]
        return await self._read(self._aside, (), [*before, spoken], ask) if words else None

    def _fits(self, sound: tuple[AudioUnit, ...]) -> bool:
        """Whether `sound` takes at most half of the context. A longer turn is read in words."""
        return sum(map(len, sound)) <= self._context.engine.settings.decoder.context_tokens // 2

    async def _read(
        self,
        prompt: ContextSync,
        tools: tuple[Tool, ...],
        groups: list[ItemUnits],
        ask: Callable[[Context], Awaitable[T]],
    ) -> T | None:
        reserve = self._context.engine.settings.decoder.max_tokens
        try:
            async with prompt.read(self._context.settings().instructions, tools, groups, reserve) as context:
                return await ask(context)
        except Exception:
            # The answer will meet the same trouble, and reports it.
            log.warning("the decoder could not read along", exc_info=True)
            return None

    def report(self, turn: UserTurn) -> None:
        """Report the transcript of a turn that is over, or why it has none."""
        if turn.error is not None:
            self._context.outlet.emit(TranscriptionFailed(turn.message.id, turn.error))
        elif self._context.settings().transcribe:
            final = turn.message.text or ""
            rest, seconds = turn.utterance.rest_of(final), turn.utterance.seconds
            self._context.outlet.emit(Transcribed(turn.message.id, rest, final, seconds))
