"""The items of one answer: what is added to them, and the events that say so. Pure but for the outlet."""

from audio.pcm import Pcm
from pipeline.answering.gate import Outlet
from pipeline.commands import Modality
from pipeline.conversation.items import FunctionCall, Item, Message, Status
from pipeline.conversation.spoken_words import SpokenWord, played_text
from pipeline.decoders.decoder import Finished, ToolCall
from pipeline.events import OutputAdded, OutputAudio, OutputDone, OutputText, Thoughts
from pipeline.runtime.ids import new_id
from pipeline.runtime.timeline import Timeline

NOTHING_WRITTEN = "the model wrote nothing"
"""Why an answer is empty, or how that begins."""


class OutputItems:
    """Bookkeeping of one answer: its message, its calls, its thoughts. Every change leaves as an event.

    Audio is float32 mono at `rate` Hz; `made` counts its samples, sent or held back.
    """

    def __init__(
        self,
        response_id: str,
        modality: Modality,
        rate: int,
        outlet: Outlet,
        timeline: Timeline,
        *,
        stopgap: bool = False,
    ) -> None:
        """`stopgap`: whether the message only fills the time until a tool has run."""
        self.timeline = timeline
        self.rate = rate
        self.made = 0
        """Samples of audio so far: played, on their way, or held back."""
        self.message: Message | None = None
        """What is said, as far as it has come."""
        self.all: list[Item] = []
        self.finished: Finished | None = None
        """How the decoder ended; None: not yet."""
        self.stopped = False
        """Whether the answer was stopped: nothing counts that is produced from then on."""
        self._id = response_id
        self._spoken = modality == "audio"
        self._outlet = outlet
        self._stopgap = stopgap

    def think(self, text: str) -> None:
        """More of what the model thinks. It is no part of the answer."""
        if not self.stopped:
            self.timeline.thought()
            self._outlet.emit(Thoughts(self._id, text))

    def say(self, text: str) -> None:
        """More text of the message, with its leading space where it has one."""
        message = self._opened()
        message.text = (message.text or "") + text
        self._outlet.emit(OutputText(self._id, self.all.index(message), message.id, text))

    def say_word(self, word: str, start: int, end: int) -> None:
        """A word whose sound lies between the samples `start` and `end` of the answer."""
        message = self._opened()
        message.words.append(SpokenWord(word, start, end))
        self.say(word if not message.text else f" {word}")

    async def play(self, pcm: Pcm) -> None:
        """More audio of the message; waits until there is room for it."""
        if not len(pcm):
            return
        await self._outlet.ready()
        message = self._opened()
        self.made += len(pcm)
        self._outlet.emit(OutputAudio(self._id, self.all.index(message), message.id, pcm, self.timeline))

    def call(self, call: ToolCall) -> None:
        """A call of a tool, complete."""
        item = FunctionCall(new_id("item"), new_id("call"), call.name, call.arguments, answer=self._id)
        self._outlet.emit(OutputDone(self._id, self._add(item), item))

    def finish(self, finished: Finished) -> None:
        """The decoder has written all of it."""
        self.finished = finished

    def close(self) -> None:
        """All of the answer is there: complete if the decoder came to an end by itself."""
        self._close("completed" if self.finished and self.finished.reason == "stop" else "incomplete")

    def break_off(self) -> None:
        """The answer ends here, before its end."""
        self._close("incomplete")

    def cut(self, played: int) -> None:
        """End the answer here. Of what was spoken stay the words whose sound ends within the first `played` samples."""
        self.stopped = True
        if self.message is not None and self._spoken:
            self.message.text = played_text(self.message.words, played)
        self._close("incomplete")

    @property
    def nothing_given(self) -> str:
        """Why the client got nothing of a complete answer: no words, or none that can be said; else ""."""
        if not self.all:
            return NOTHING_WRITTEN
        if self._spoken and not self.made and all(isinstance(item, Message) for item in self.all):
            return f"{NOTHING_WRITTEN} that can be said"
        return ""

    def _opened(self) -> Message:
        if self.message is None:
            self.message = Message(new_id("item"), "assistant", "", spoken=self._spoken, stopgap=self._stopgap)
            self.message.status = "in_progress"
            self.message.rate = self.rate if self._spoken else 0
            self._add(self.message)
        return self.message

    def _close(self, status: Status) -> None:
        if self.message is not None and self.message.status == "in_progress":
            self.message.status = status
            self._outlet.emit(OutputDone(self._id, self.all.index(self.message), self.message))

    def _add(self, item: Item) -> int:
        self.all.append(item)
        self._outlet.emit(OutputAdded(self._id, len(self.all) - 1, item))
        return len(self.all) - 1
