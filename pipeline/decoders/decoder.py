"""The contract of decoders: a context that grows, is rewound and forked, and generates the answer."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol, runtime_checkable

from audio.errors import PlainError
from pipeline.encoders.audio_units import Clip, Embeddings
from pipeline.encoders.encoder import Encoder

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Open:
    """Begins a message of this role."""

    role: Role


@dataclass(frozen=True, slots=True)
class Close:
    """Ends the open message of this role."""

    role: Role


@dataclass(frozen=True, slots=True)
class Text:
    """Text inside the open message. It is never read as control tokens, whatever it looks like."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallUnit:
    """A tool call that the assistant made earlier, inside its open message."""

    call_id: str
    name: str
    arguments: str
    """A JSON object, as the decoder wrote it."""


@dataclass(frozen=True, slots=True)
class ToolResultUnit:
    """The output of a tool, inside an open message of the role "tool"."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class Thought:
    """Reasoning that is not spoken: generated piece by piece, or read again inside the assistant's open message.

    Generation continues an assistant's message that was left open: its thoughts if a thought is its last unit, else
    its text, with the preceding thoughts closed. Thoughts of closed messages are not read again.
    """

    text: str


Unit = Open | Close | Text | Embeddings | Clip | ToolCallUnit | ToolResultUnit | Thought
"""What a context is made of."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the decoder may call; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any] = field(hash=False)


ToolChoice = Literal["auto", "none", "required"] | Tool
"""Whether and which tool the model may call; a `Tool` is one that it must call."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. Temperature 0 always takes the likeliest."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer's text, of one token or more."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete tool call that the decoder generated."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a generation: what `generate` yields last, unless it is cancelled."""

    reason: Literal["stop", "length"]
    prompt_tokens: int
    cached_tokens: int
    """How many of `prompt_tokens` were in the KV cache already."""
    completion_tokens: int


NOTHING_GENERATED = Finished("stop", 0, 0, 0)
"""Nothing was read and nothing was written."""


Generated = Token | Thought | ToolCall | Finished
"""What `Context.generate` yields."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A position in a context to rewind to."""

    units: int


class Context(Protocol):
    """One conversation in a decoder: its units, and the KV cache of what was read of them. For one task at a time."""

    @property
    def capacity(self) -> int:
        """Tokens that prompt and answer may take together."""
        ...

    async def append(self, units: Sequence[Unit]) -> None:
        """Add `units` to the end of the context. Nothing is read yet."""
        ...

    async def length(self) -> int:
        """Tokens of the prompt for an answer, instructions included. Raises `DecoderError`."""
        ...

    def mark(self) -> Mark:
        """The current end of the context."""
        ...

    def rewind(self, mark: Mark) -> None:
        """Remove everything that was appended after `mark`."""
        ...

    async def prefill(self) -> float | None:
        """Read the context into the KV cache, so that an answer that begins with it starts sooner.

        A message that is open at the end stays open: what is appended to it later is all that remains to be read. A
        backend may return before the reading is done; an answer does not wait for it. Returns what
        `end_of_turn_probability` would, where the reading tells it, else None. Raises `DecoderError`.
        """
        ...

    async def end_of_turn_probability(self) -> float | None:
        """Probability, 0 to 1, that the message that is open at the end of the context is complete as it stands.

        Its text must end without a final punctuation mark: the probability is that of such a mark, or of the end of
        the message, as the next token. None: the backend cannot tell. Raises `DecoderError`.
        """
        ...

    def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Generated]:
        """Generate the assistant's next message, or the rest of the one that is open at the end of the context.

        The output is not appended: the caller appends what was played of it. Closing the iterator stops the model
        within a token; `so_far` then has what it had read and written. Raises `DecoderError`.
        """
        ...

    @property
    def so_far(self) -> Finished:
        """The latest generation as if it ended where it is now. For one that was stopped: where it ended.

        Counts that the backend does not know are 0.
        """
        ...

    async def close(self) -> None:
        """Release the cache. A closed context can't be used again."""
        ...


@runtime_checkable
class ForkableContext(Protocol):
    """A context that can be continued in two ways."""

    async def fork(self) -> Context:
        """An independent copy of the context, to be closed after use.

        The context is read first, once for both. Raises `DecoderError`.
        """
        ...


class Decoder(Protocol):
    """A loaded model or a connection to one, shared by all conversations."""

    @property
    def thinks(self) -> bool:
        """Whether the model can write thoughts that are separate from its answer."""
        ...

    @property
    def thinks_aloud(self) -> bool:
        """Whether its thoughts are plain sentences, fit to be heard."""
        ...

    @property
    def capacity(self) -> int:
        """Tokens that one conversation's prompt and answer may take together."""
        ...

    @property
    def audio_encoder(self) -> Encoder | None:
        """The encoder of the audio units that the decoder reads; None: it reads text only."""
        ...

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> Context:
        """A new context that begins with `instructions` and may call `tools`."""
        ...

    async def close(self) -> None:
        """Release the model or the connection."""
        ...


class DecoderError(PlainError):
    """The decoder could not answer; the message says why and what to do."""


class UpstreamError(DecoderError):
    """The decoder's server failed. The message quotes that server and its address, so it is not for clients."""


class DoesNotFit(DecoderError):
    """Instructions, tools and the last message take more than the whole context."""


class Refusal(Enum):
    """Why a server refuses a request for good: a code and a sentence for clients, without the server's own words."""

    CONTEXT = (
        "context_length_exceeded",
        "The conversation does not fit into the context of the decoder's server: shorten the instructions or the "
        "tools, or set decoder.context_tokens to what that server takes.",
    )
    MODEL = (
        "model_not_found",
        "The decoder's server does not know the configured model: check decoder.model and decoder.url.",
    )
    ACCESS = (
        "decoder_access_denied",
        "The decoder's server does not accept the configured key: check decoder.api_key.",
    )
    REQUEST = (
        "decoder_refused",
        "The decoder's server refuses this request, and would refuse it again; the log of this server says why.",
    )

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        self.sentence = sentence


class UpstreamRefusal(UpstreamError):
    """The decoder's server refuses the request, and would refuse it again. The message quotes that server."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason
