"""One answer, from tokens over clauses to speech. Every stage works while the one before it still does."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from pipeline.audio import Resampler, silence
from pipeline.commands import Modality
from pipeline.decoders.decoder import Finished, Thought, Token, ToolCall, Written
from pipeline.events import OutputAdded, OutputAudio, OutputDone, OutputText, Thoughts, Usage
from pipeline.gate import Outlet
from pipeline.ids import new_id
from pipeline.items import FunctionCall, Item, Message, Status
from pipeline.playout import Playout, SpokenWord, heard
from pipeline.timeline import Timeline
from pipeline.workers import Urgency, Workers
from tts.clauses import ClauseSplitter
from tts.synthesizer import Clause, Pcm, Speech, Stoppable, Voice

_AHEAD_S = 1.5
"""Speech in hand that covers the synthesis of a long clause, also on a busy machine."""
_WORD_S = 0.4
"""About what a word takes to say, until it is known."""
_LONGEST_WORDS = 24
_SENTENCE_STOPS = (".", "?", "!")


@dataclass(frozen=True, slots=True)
class Means:
    """What an answer is made with."""

    workers: Workers
    voice: Voice | None
    """None: the answer is text."""
    output_rate: int
    clock: Callable[[], int]
    """The conversation's time, in input samples."""
    played: Callable[[str], int | None] = lambda response_id: None
    """Samples of an answer that were heard, if the listener can tell."""


class Response:
    """Gives one answer: `run` does the work, `stop` ends it from outside, at once and for good."""

    def __init__(self, response_id: str, means: Means, outlet: Outlet, timeline: Timeline) -> None:
        self.id = response_id
        self.timeline = timeline
        self.playout = Playout(means.output_rate, lambda: means.played(response_id))
        """Told by whoever lets the audio out."""
        self.message: Message | None = None
        """What is said, as far as it has come."""
        self.outputs: list[Item] = []
        self.finished: Finished | None = None
        """How the decoder ended; None: not yet."""
        self._means = means
        self._outlet = outlet
        self._resampler = Resampler(means.voice.sample_rate, means.output_rate) if means.voice else None
        self._synthesized = 0
        """Samples of the voice's own rate so far: where the next clause begins."""
        self._made = 0
        """Samples of the output rate so far, played, on their way, or held back."""
        self._parts: asyncio.Queue[Clause | ToolCall | None] = asyncio.Queue()
        """What is written and not spoken yet, in order; None ends it. Bounded by the longest answer's tokens."""
        self._waiting_words = 0
        """In the clauses that are written, but for those whose sound is made."""
        self._put_back: ToolCall | None = None
        self._stopped = False

    @property
    def modality(self) -> Modality:
        return "text" if self._means.voice is None else "audio"

    @property
    def usage(self) -> Usage:
        spoken_s = self.playout.sent / self._means.output_rate
        if self.finished is None:
            return Usage(output_audio_s=spoken_s)
        return Usage(
            input_tokens=self.finished.prompt_tokens,
            cached_tokens=self.finished.cached_tokens,
            output_tokens=self.finished.completion_tokens,
            output_audio_s=spoken_s,
        )

    def audible(self) -> bool:
        """Whether the listener still has sound of this answer to hear."""
        return not self.playout.finished(self._means.clock())

    def ends(self) -> int:
        """The time at which all that was sent so far will have been played."""
        return self.playout.ends(self._means.clock())

    def heard_s(self) -> float:
        """Seconds of the answer that have been played."""
        return self.playout.played(self._means.clock()) / self._means.output_rate

    def left_s(self) -> float:
        """Seconds of the answer that were sent and are still to be played."""
        return self.playout.sent / self._means.output_rate - self.heard_s()

    async def run(self, written: AsyncGenerator[Written]) -> None:
        """Give the whole answer that the decoder writes. Raises what it or the voice raises, in an exception group."""
        async with asyncio.TaskGroup() as stages:
            stages.create_task(self._write(written))
            stages.create_task(self._speak())
        self._close_message("completed" if self.finished and self.finished.reason == "stop" else "incomplete")

    async def apologize(self, apology: str, voice: Voice) -> None:
        """`run` failed: say so in another voice. What the one that failed had left to say is dropped."""
        if self._resampler is not None and self.message is not None:
            await self._send(self._resampler.push(silence(0), last=True))
        self._means = replace(self._means, voice=voice)
        self._resampler = Resampler(voice.sample_rate, self._means.output_rate)
        self._synthesized = round(self._made * voice.sample_rate / self._means.output_rate)
        self._parts, self._put_back, self._waiting_words = asyncio.Queue(), None, 0
        splitter = ClauseSplitter()
        self._hand_over([*splitter.push(apology), *splitter.flush()])
        self._parts.put_nowait(None)
        await self._speak()
        self._close_message("incomplete")

    def think(self, text: str) -> None:
        """More of what the model thinks: nobody hears it."""
        if not self._stopped:
            self.timeline.thought()
            self._outlet.emit(Thoughts(self.id, text))

    def lead_s(self) -> float:
        """Seconds of speech that are written and that the listener has yet to hear."""
        return self._ahead_s() + self._waiting_words * _WORD_S

    def stop(self) -> None:
        """End what is said where it was played to: what was not played was not said.

        The stages live on until they are cancelled; from here on nothing that they do counts.
        """
        self._stopped = True
        if self.message is not None and self.modality == "audio":
            played = self.playout.played(self._means.clock())
            self.message.text = heard(self.message.words, played)
        self._close_message("incomplete")

    async def _write(self, written: AsyncGenerator[Written]) -> None:
        splitter = ClauseSplitter()
        async with aclosing(written):
            async for part in written:
                if self._stopped:
                    return
                if isinstance(part, Thought):
                    self.think(part.text)
                    continue
                self.timeline.stamp("first_token")
                match part:
                    case Token() if self.modality == "text":
                        # Blank space before a tool call is no message.
                        if self.message is not None or part.text.strip():
                            self._say(part.text)
                    case Token():
                        self._hand_over(splitter.push(part.text))
                    case ToolCall():
                        self._hand_over(splitter.flush())
                        self._parts.put_nowait(part)
                    case Finished():
                        self.finished = part
        self._hand_over(splitter.flush())
        self._parts.put_nowait(None)

    def _hand_over(self, ready: list[Clause]) -> None:
        for clause in ready:
            self.timeline.stamp("first_clause")
            self._waiting_words += len(clause.words)
            self._parts.put_nowait(clause)

    async def _speak(self) -> None:
        urgency = Urgency.FIRST_SPEECH
        while (part := await self._next()) is not None:
            if isinstance(part, ToolCall):
                self._call(part)
                continue
            assert self._means.voice is not None
            chunks = self._means.voice.speak(part)
            start, unmade_words = self._synthesized, len(part.words)
            try:
                while (speech := await self._chunk(chunks, urgency)) is not None:
                    self.timeline.stamp("first_audio")
                    await self._play(part, speech, start)
                    self._waiting_words -= len(speech.words)
                    unmade_words -= len(speech.words)
                    urgency = Urgency.SPEECH
            finally:
                if isinstance(chunks, Stoppable):
                    chunks.stop()
            self._waiting_words -= unmade_words
        if self._resampler is not None and self.message is not None:
            await self._send(self._resampler.push(silence(0), last=True))

    async def _chunk(self, chunks: Iterator[Speech], urgency: Urgency) -> Speech | None:
        workers, step = self._means.workers, partial(next, chunks, None)
        assert self._means.voice is not None
        return await (workers.wait(step) if self._means.voice.waits else workers.run(urgency, step))

    async def _next(self) -> Clause | ToolCall | None:
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
        in_sentence = clause.stop not in _SENTENCE_STOPS and len(clause.words) < _LONGEST_WORDS
        return in_sentence and self._ahead_s() > _AHEAD_S

    def _ahead_s(self) -> float:
        """Seconds of speech that are made and not yet played."""
        return (self._made - self.playout.played(self._means.clock())) / self._means.output_rate

    async def _play(self, clause: Clause, speech: Speech, start: int) -> None:
        """Send a chunk of `clause`, which began at the voice's sample `start`, with the words that begin in it."""
        if self._stopped:
            return
        assert self._means.voice is not None
        assert self._resampler is not None
        message = self._open_message()
        ratio = self._means.output_rate / self._means.voice.sample_rate
        for time in speech.words:
            word = clause.words[time.index].written
            message.words.append(SpokenWord(word, round((start + time.end) * ratio)))
            self._say(word if not message.text else f" {word}")
        self._synthesized += len(speech.pcm)
        await self._send(self._resampler.push(speech.pcm))

    async def _send(self, pcm: Pcm) -> None:
        if not len(pcm):
            return
        await self._outlet.ready()
        message = self._open_message()
        self._made += len(pcm)
        self._outlet.emit(OutputAudio(self.id, self.outputs.index(message), message.id, pcm, self.timeline))

    def _say(self, text: str) -> None:
        message = self._open_message()
        message.text = (message.text or "") + text
        self._outlet.emit(OutputText(self.id, self.outputs.index(message), message.id, text))

    def _call(self, call: ToolCall) -> None:
        item = FunctionCall(new_id("item"), new_id("call"), call.name, call.arguments)
        index = self._add(item)
        self._outlet.emit(OutputDone(self.id, index, item))

    def _open_message(self) -> Message:
        if self.message is None:
            self.message = Message(new_id("item"), "assistant", "", spoken=self.modality == "audio")
            self.message.status = "in_progress"
            self.message.rate = self._means.output_rate if self.modality == "audio" else 0
            self._add(self.message)
        return self.message

    def _close_message(self, status: Status) -> None:
        if self.message is not None and self.message.status == "in_progress":
            self.message.status = status
            self._outlet.emit(OutputDone(self.id, self.outputs.index(self.message), self.message))

    def _add(self, item: Item) -> int:
        self.outputs.append(item)
        self._outlet.emit(OutputAdded(self.id, len(self.outputs) - 1, item))
        return len(self.outputs) - 1
