"""What the encoder hears of the person's turns, and what the decoder makes of their words."""

import logging

from pipeline.conversation import as_units
from pipeline.decoders.decoder import Open, Text
from pipeline.ending import Ending
from pipeline.endpointing import open_words
from pipeline.events import Transcribed, TranscriptionFailed
from pipeline.hearing import blocks
from pipeline.place import Place
from pipeline.utterance import Utterance
from tts.synthesizer import Pcm

log = logging.getLogger(__name__)


class Understanding:
    """Of one conversation."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def listen(self, utterance: Utterance) -> str | None:
        """Hear what is new, caption what is certain, and say what was said so far. None: it could not be heard."""
        try:
            heard = await utterance.listen()
        except Exception:
            # The last look at the turn will meet the same trouble, and tells it.
            log.exception("a turn could not be followed")
            return None
        if self._place.settings().transcribe and (news := utterance.newly_committed(heard)):
            self._place.outlet.emit(Transcribed(utterance.item_id, news))
        return heard.text

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
            ending.message.text = ""
        else:
            ending.timeline.stamp("transcript_ready")
            ending.message.text = heard.text

    async def end_of_turn(self, item_id: str, words: str) -> float | None:
        """The decoder reads the open turn up to its last word, and says how likely that was the end of it."""
        settings = self._place.settings()
        spoken = (item_id, (Open("user"), Text(open_words(words))))
        groups = [*as_units(self._place.conversation), spoken]
        reserve = self._place.engine.settings.decoder.max_tokens
        try:
            async with self._place.prompt.read(settings.instructions, settings.tools, groups, reserve) as context:
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
