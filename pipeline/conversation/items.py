"""The items of a conversation: messages, tool calls and their outputs."""

from dataclasses import dataclass, field, replace
from typing import Literal

from pipeline.conversation.spoken_words import SpokenWord
from pipeline.encoders.audio_units import AudioUnit

Status = Literal["in_progress", "completed", "incomplete"]


@dataclass(slots=True)
class Message:
    """A message that was spoken or written.

    `text` of a user's audio is None until it is transcribed. `text` of a spoken answer is what was played: after an
    interruption, only the words up to there.
    """

    id: str
    role: Literal["system", "user", "assistant"]
    text: str | None
    spoken: bool = False
    """Whether it was input or output as audio."""
    status: Status = "completed"
    words: list[SpokenWord] = field(default_factory=list)
    """Words of a spoken answer with their times, in samples of `rate`."""
    rate: int = 0
    """Sample rate of the answer's audio in Hz; 0 without audio."""
    manner: str = ""
    """A note on how a user's audio was said, for a decoder that reads text."""
    audio_units: tuple[AudioUnit, ...] = field(default=(), repr=False)
    """A user's audio, for a decoder that reads audio; () where it reads the transcript."""
    stopgap: bool = False
    """Whether it was said by the agent, not the model, while a tool ran."""

    @property
    def characters(self) -> int:
        """Length of all its text."""
        return len(self.id) + len(self.text or "") + len(self.manner)

    @property
    def cut_short(self) -> bool:
        """Whether it is a spoken answer that was stopped: some of its words were not played, or it has no end."""
        if self.role != "assistant" or not self.rate:
            return False
        text = self.text or ""
        unplayed = len(text.split()) < sum(len(word.text.split()) for word in self.words)
        return unplayed or (self.status == "incomplete" and not text.rstrip("\"')”’").endswith((".", "?", "!")))

    @property
    def readable(self) -> bool:
        """Whether a decoder has something to read: words, or audio that is not known to have none."""
        return bool(self.text) or (self.text is None and bool(self.audio_units))


@dataclass(slots=True)
class FunctionCall:
    """A tool call that the model made."""

    id: str
    call_id: str
    name: str
    arguments: str
    """A JSON object, as the decoder wrote it."""
    status: Status = "completed"
    answer: str = ""
    """The id of the answer that made it, by which the calls of one answer belong together; "": a client wrote it."""

    @property
    def characters(self) -> int:
        """Length of all its text."""
        return len(self.id) + len(self.call_id) + len(self.name) + len(self.arguments)


@dataclass(slots=True)
class FunctionOutput:
    """The output of a tool call, as the client returned it."""

    id: str
    call_id: str
    output: str
    status: Status = "completed"

    @property
    def characters(self) -> int:
        """Length of all its text."""
        return len(self.id) + len(self.call_id) + len(self.output)


Item = Message | FunctionCall | FunctionOutput
"""An item of a conversation."""


def as_begun(item: Item) -> Item:
    """Snapshot of an answer's item as it was when it began: in progress, with nothing in it."""
    match item:
        case Message():
            return replace(item, text="", words=[], status="in_progress")
        case FunctionCall():
            return replace(item, arguments="", status="in_progress")
        case FunctionOutput():
            return item


def as_committed(message: Message) -> Message:
    """Snapshot of a user's spoken message as it was when it was committed: its words are announced separately."""
    return replace(message, text=None) if message.spoken else message
