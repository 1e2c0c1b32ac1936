"""From the tokens of a decoder to the audio of an answer, clause by clause; all steps work at the same time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from audio.pcm import silence
from audio.resampler import Resampler
from pipeline.answering.output_items import OutputItems
from pipeline.answering.speech_lead import SpeechLead
from pipeline.decoders.decoder import Finished, Generated, Thought, Token, ToolCall
from pipeline.runtime.workers import Urgency, Workers
from tts.frontend.clauses import ClauseSplitter, clauses_of
from tts.frontend.code_screen import CodeScreen
from tts.frontend.sentences import SENTENCE_STOPS
from tts.frontend.speakable import unspeakable
from tts.synthesizer import Clause, Speech, Stoppable, Voice

_AHEAD_S = 1.5
"""Speech in hand that covers the synthesis of a long clause, also on a busy machine."""
_SHORT_S = 0.6
"""Speech in hand below which the next clause may be as short as a phrase: at the beginning, and before a gap."""
_LONGEST_WORDS = 24


@dataclass(frozen=True, slots=True)
class _Stopgap:
    """What is said while the decoder writes nothing; it counts for none of the answer's times."""

    clause: Clause


class SpeechStage:
    """Speaks into the items of one answer with one voice, from where their audio ends.

    Stopping it is cancelling it; once the items are cut, nothing that it still does counts.
    """

    def __init__(self, items: OutputItems, voice: Voice, workers: Workers, lead: SpeechLead) -> None:
        self._items = items
        self._voice = voice
        self._workers = workers
        self._lead = lead
        self._resampler = Resampler(voice.sample_rate, items.rate)
        self._synthesized = round(items.made * voice.sample_rate / items.rate)
        """Samples of the voice's own rate so far: where the next clause begins."""
        self._parts: asyncio.Queue[Clause | _Stopgap | ToolCall | None] = asyncio.Queue()
        """What is written and not spoken yet, in order; None ends it. Bounded by the longest answer's tokens."""
        self._put_back: _Stopgap | ToolCall | None = None
        self._clauses: list[Clause] = []
        """All that were written."""
        self._sounded = False
        """Whether something that was written had a sound."""

    async def run(
        self, written: AsyncGenerator[Generated], stopgaps: Callable[[], Awaitable[Sequence[Clause]]] | None = None
    ) -> None:
        """Speak all that the decoder writes; where nothing of it has a sound, say why not.

        `stopgaps` returns what to say next while the decoder has written nothing, when it is time for that.
        Raises what the decoder or the voice raises, in an exception group.
        """
        async with asyncio.TaskGroup() as stages:
            filling = stages.create_task(self._fill(stopgaps)) if stopgaps is not None else None
            stages.create_task(self._write(written, filling))
            stages.create_task(self._speak())
        reason = unspeakable(self._clauses) if not self._sounded and not self._items.stopped else None
        if reason is not None:
            await self.say(reason.sentence)
        self._items.close()

    def fill(self, clauses: Sequence[Clause]) -> None:
        """Speak `clauses`, which are no part of what the decoder writes, before what it writes from now on."""
        for clause in clauses:
            self._lead.write(len(clause.words))
            self._parts.put_nowait(_Stopgap(clause))

    async def say(self, text: str) -> None:
        """Speak `text`, after what was said so far. Raises what the voice raises."""
        self._hand_over(clauses_of(text))
        self._parts.put_nowait(None)
        await self._speak()

    async def flush(self) -> None:
        """Send the end of what was synthesized so far; nothing follows it in this voice."""
        if self._items.message is not None:
            await self._items.play(self._resampler.push(silence(0), last=True))

    async def _fill(self, stopgaps: Callable[[], Awaitable[Sequence[Clause]]]) -> None:
        while True:
            self.fill(await stopgaps())

    async def _write(self, written: AsyncGenerator[Generated], filling: "asyncio.Task[None] | None") -> None:
        try:
            await self._write_until(written, filling)
        finally:
            if filling is not None:
                filling.cancel()

    async def _write_until(self, written: AsyncGenerator[Generated], filling: "asyncio.Task[None] | None") -> None:
        screen, splitter = CodeScreen(), ClauseSplitter()
        async with aclosing(written):
            async for part in written:
                if self._items.stopped:
                    return
                if isinstance(part, Thought):
                    self._items.think(part.text)
                    continue
                self._items.timeline.stamp("first_token")
                match part:
                    case Token():
                        ready = splitter.push(screen.push(part.text))
                        self._hand_over(ready or (splitter.early() if self._lead.seconds() < _SHORT_S else []))
                        if filling is not None and self._clauses:
                            filling.cancel()
                    case ToolCall():
                        self._hand_over([*splitter.push(screen.flush()), *splitter.flush()])
                        self._parts.put_nowait(part)
                    case Finished():
                        self._items.finish(part)
        self._hand_over([*splitter.push(screen.flush()), *splitter.flush()])
        self._parts.put_nowait(None)

    def _hand_over(self, ready: list[Clause]) -> None:
        for clause in ready:
            self._items.timeline.stamp("first_clause")
            self._lead.write(len(clause.words))
            self._clauses.append(clause)
            self._parts.put_nowait(clause)

    async def _speak(self) -> None:
        urgency = Urgency.FIRST_SPEECH
        while (part := await self._next()) is not None:
            if isinstance(part, ToolCall):
                self._items.call(part)
                continue
            clause = part.clause if isinstance(part, _Stopgap) else part
            chunks = self._voice.speak(clause)
            start, unmade_words = self._synthesized, len(clause.words)
            try:
                while (speech := await self._chunk(chunks, urgency)) is not None:
                    if not isinstance(part, _Stopgap):
                        self._items.timeline.stamp("first_audio")
                        self._sounded = self._sounded or bool(len(speech.pcm))
                    await self._play(clause, speech, start)
                    self._lead.make(len(speech.words))
                    unmade_words -= len(speech.words)
                    urgency = Urgency.SPEECH
            finally:
                if isinstance(chunks, Stoppable):
                    chunks.stop()
            self._lead.make(unmade_words)
        await self.flush()

    async def _chunk(self, chunks: Iterator[Speech], urgency: Urgency) -> Speech | None:
        step = partial(next, chunks, None)
        return await (self._workers.wait(step) if self._voice.waits else self._workers.run(urgency, step))

    async def _next(self) -> Clause | _Stopgap | ToolCall | None:
        """What comes next; a clause while playout is ahead with what is written of its sentence, phrased as one."""
        part, self._put_back = self._put_back or await self._parts.get(), None
        while isinstance(part, Clause) and self._may_grow(part) and not self._parts.empty():
            following = self._parts.get_nowait()
            if not isinstance(following, Clause):
                self._put_back = following
                if following is None:
                    self._parts.put_nowait(None)
                break
            part = part.joined(following)
        return part

    def _may_grow(self, clause: Clause) -> bool:
        in_sentence = clause.stop not in SENTENCE_STOPS and len(clause.words) < _LONGEST_WORDS
        return in_sentence and self._lead.made_s() > _AHEAD_S

    async def _play(self, clause: Clause, speech: Speech, start: int) -> None:
        """Send a chunk of `clause`, which began at the voice's sample `start`, with the words that begin in it."""
        if self._items.stopped:
            return
        ratio = self._items.rate / self._voice.sample_rate
        for time in speech.words:
            begins, ends = (round((start + at) * ratio) for at in (time.start, time.end))
            self._items.say_word(clause.words[time.index].written, begins, ends)
        self._synthesized += len(speech.pcm)
        await self._items.play(self._resampler.push(speech.pcm))
