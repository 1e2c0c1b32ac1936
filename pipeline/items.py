"""What a conversation is made of: messages, tool calls and their outputs."""

from dataclasses import dataclass, field
from typing import Literal

from pipeline.embeddings import Sound
from pipeline.playout import SpokenWord

Status = Literal["in_progress", "completed", "incomplete"]


@dataclass(slots=True)
class Message:
    """Something that was said or written.

    `text` of a user's audio is None until it is transcribed. `text` of a spoken answer is what was really heard: once
    the answer was cut short, only the words that were played.
    """

    id: str
    role: Literal["system", "user", "assistant"]
    text: str | None
    spoken: bool = False
    """Whether it came in or went out as audio."""
    status: Status = "completed"
    words: list[SpokenWord] = field(default_factory=list)
    """Of a spoken answer: when each word sounds, in samples of `rate`."""
    rate: int = 0
    """Hz of the answer's audio; 0 where there is none."""
    manner: str = ""
    """How a user's audio was said, for a decoder that reads."""
    sound: tuple[Sound, ...] = field(default=(), repr=False)
    """Of a user's audio, for a decoder that hears; () where it reads the words."""

    @property
    def readable(self) -> bool:
        """Whether there is something for a decoder: words, or sound of which nobody knows that it has none."""
        return bool(self.text) or (self.text is None and bool(self.sound))


@dataclass(slots=True)
class FunctionCall:
    id: str
    call_id: str
    name: str
    arguments: str
    """A JSON object, as the decoder wrote it."""
    status: Status = "completed"


@dataclass(slots=True)
class FunctionOutput:
    id: str
    call_id: str
    output: str
    status: Status = "completed"


Item = Message | FunctionCall | FunctionOutput
