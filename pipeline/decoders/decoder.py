"""The contract every decoder keeps: a context that grows, is rewound and forked, and writes the answer."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from pipeline.embeddings import Clip, Embeddings
from pipeline.encoders.encoder import Encoder
from pipeline.errors import PlainError

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a message of this role."""

    role: Role


@dataclass(frozen=True, slots=True)
class Close:
    """End the open message of this role."""

    role: Role


@dataclass(frozen=True, slots=True)
class Text:
    """Words inside the open message. Never read as control tokens, whatever they look like."""

    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call that the assistant made, inside its open message."""

    call_id: str
    name: str
    arguments: str
    """A JSON object, as the decoder wrote it."""


@dataclass(frozen=True, slots=True)
class Returned:
    """A tool's answer, inside an open message of the role "tool"."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model tells itself and nobody else: written piece by piece, or read again inside its open message.

    An assistant's message that is left open is gone on with: in its thoughts if a thought stands last, else in its
    words, with the thoughts before them closed. Thoughts in a message that is over are not read again.
    """

    text: str


Unit = Open | Close | Text | Embeddings | Clip | Called | Returned | Thought
"""What a context is made of."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the decoder may call; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any] = field(hash=False)


ToolChoice = Literal["auto", "none", "required"] | Tool
"""`Tool`: that one must be called."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. A temperature of 0 always takes the likeliest."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A whole call that the decoder wrote."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last thing that `generate` yields, unless it is cancelled."""

    reason: Literal["stop", "length"]
    prompt_tokens: int
    cached_tokens: int
    """How many of `prompt_tokens` were in the KV cache already."""
    completion_tokens: int


Written = Token | Thought | ToolCall | Finished


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a context to come back to."""

    units: int


class Context(Protocol):
    """One conversation's hold on the decoder: a KV cache with a hand on it. For one task at a time."""

    @property
    def capacity(self) -> int:
        """Tokens that fit, prompt and answer together."""
        ...

    async def append(self, units: Sequence[Unit]) -> None:
        """Add to the end of the context."""
        ...

    async def length(self) -> int:
        """How many tokens the prompt for an answer takes now, instructions and all."""
        ...

    def mark(self) -> Mark: ...

    def rewind(self, mark: Mark) -> None:
        """Forget everything that was appended after `mark`."""
        ...

    async def end_of_turn_probability(self) -> float | None:
        """How likely it is that the person has nothing to add to the message that is open at the end of the context.

        The words must stand there without a final mark: whether one would come next is the question. Reading the
        context is part of the answer, so this prefills it as well. None: the backend can't tell. Raises `DecoderError`.
        """
        ...

    def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Written]:
        """Write the assistant's next message, or go on with the one that is open at the end of the context.

        What is written is not appended: the caller appends what was heard.

        Closing the iterator stops the model within a token. Raises `DecoderError`.
        """
        ...

    async def close(self) -> None:
        """Give back the cache. A context that is closed can't be used again."""
        ...


@runtime_checkable
class Forking(Protocol):
    """A context that can be gone on with in two ways."""

    async def fork(self) -> Context:
        """A context that goes on by itself from here; close it after use.

        What stands here is read first, once for both. Raises `DecoderError`.
        """
        ...


class Decoder(Protocol):
    """A loaded model or a connection to one, shared by all conversations."""

    @property
    def thinks(self) -> bool:
        """Whether it has a way to write thoughts apart from words."""
        ...

    @property
    def ear(self) -> Encoder | None:
        """What makes of sound what it reads in the place of words; None: it reads words only."""
        ...

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> Context: ...

    async def close(self) -> None: ...


class DecoderError(PlainError):
    """The decoder could not answer; the message says why and what to do."""
