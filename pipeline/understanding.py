"""What the encoder hears of the person's turns, and what the decoder makes of their words."""

import logging

from pipeline.conversation import as_units
from pipeline.decoders.decoder import Open, Text, Tool
from pipeline.embeddings import Sound
from pipeline.encoders.encoder import Heard
from pipeline.ending import Ending
from pipeline.endpointing import open_words
from pipeline.events import Transcribed, TranscriptionFailed
from pipeline.hearing import blocks
from pipeline.place import Place
from pipeline.prompt import Group, Prompt
from pipeline.utterance import Utterance
from pipeline.workers import Urgency
from tts.synthesizer import Pcm

log = logging.getLogger(__name__)


class Understanding:
    """Of one conversation."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._aside = Prompt(place.engine.decoder)
        """Where a decoder that hears reads words, to say whether they are complete: behind sound it can't tell."""

    async def close(self) -> None:
        await self._aside.close()

    async def listen(self, utterance: Utterance) -> Heard | None:
        """Hear what is new, caption what is certain, and say what was heard so far. None: it could not be heard."""
        try:
            heard = await utterance.listen()
        except Exception:
            # The last look at the turn will meet the same trouble, and tells it.
            log.exception("a turn could not be followed")
            return None
        if self._place.settings().transcribe and (news := utterance.newly_committed(heard)):
            self._place.outlet.emit(Transcribed(utterance.item_id, news))
        return heard

    async def hear_clip(self, utterance: Utterance, pcm: Pcm) -> None:
        """Take in audio that is all there, piece by piece, so that other work is not kept waiting for long."""
        for block in blocks(pcm):
            utterance.add(block)
            await self.listen(utterance)

    async def make_out(self, ending: Ending) -> None:
        """Take the last look at the words of a turn."""
        try:
            heard = await ending.utterance.finish()
        except Exception as error:
            log.exception("a turn could not be transcribed")
            ending.error = f"the audio could not be transcribed: {error}"
            # Without words it is still a turn where the decoder hears.
            ending.message.text = None if ending.utterance.sounding else ""
        else:
            ending.timeline.stamp("transcript_ready")
            ending.message.text = heard.text
            ending.message.manner = heard.manner

    async def remember_manner(self, ending: Ending) -> None:
        """What follows is compared with how this turn was said."""
        if (manner := ending.utterance.manner) is not None:
            await self._place.engine.workers.run(Urgency.LISTEN, manner.remember)

    async def make_out_sound(self, ending: Ending) -> None:
        """Take in the last of the sound of a turn, for a decoder that hears."""
        heard = await ending.utterance.finish_sound()
        ending.message.sound = heard.sound if self._fits(heard.sound) else ()

    async def read_along(self, utterance: Utterance, heard: Heard) -> None:
        """The decoder reads what is certain of the open turn: sound if it hears, else the words."""
        if utterance.sounding and self._fits(heard.committed_sound):
            # Also where nothing is certain yet: what comes before the turn can be read all the same.
            await self.read_sound(utterance.item_id, heard.committed_sound)
        await self.end_of_turn(utterance.item_id, heard.text)

    async def read_sound(self, item_id: str, sound: tuple[Sound, ...]) -> None:
        """The decoder reads the open turn as far as it was heard."""
        settings = self._place.settings()
        groups = [*as_units(self._place.conversation), Group(item_id, (Open("user"), *sound))]
        await self._read(self._place.prompt, settings.tools, groups)

    async def end_of_turn(self, item_id: str, words: str) -> float | None:
        """The decoder reads the open turn up to its last word, and says how likely that was the end of it."""
        spoken = Group(item_id, (Open("user"), Text(open_words(words))))
        if self._place.engine.decoder.ear is None:
            groups = as_units(self._place.conversation)
            return await self._read(self._place.prompt, self._place.settings().tools, [*groups, spoken])
        # What the words reply to is enough to tell whether they are complete.
        before = [group for group in as_units(self._place.conversation) if group.units[0] == Open("assistant")][-1:]
        return await self._read(self._aside, (), [*before, spoken]) if words else None

    def _fits(self, sound: tuple[Sound, ...]) -> bool:
        """A turn that takes more than half of the context is read in words: the rest is for the conversation."""
        return sum(map(len, sound)) <= self._place.engine.settings.decoder.context_tokens // 2

    async def _read(self, prompt: Prompt, tools: tuple[Tool, ...], groups: list[Group]) -> float | None:
        reserve = self._place.engine.settings.decoder.max_tokens
        try:
            async with prompt.read(self._place.settings().instructions, tools, groups, reserve) as context:
                return await context.end_of_turn_probability()
        except Exception:
            # The answer will meet the same trouble, and tells it.
            log.warning("the decoder could not read along", exc_info=True)
            return None

    def tell(self, ending: Ending) -> None:
        """The transcript of a turn that is over."""
        if ending.error is not None:
            self._place.outlet.emit(TranscriptionFailed(ending.message.id, ending.error))
        elif self._place.settings().transcribe:
            final = ending.message.text or ""
            rest, seconds = ending.utterance.rest_of(final), ending.utterance.seconds
            self._place.outlet.emit(Transcribed(ending.message.id, rest, final, seconds))
