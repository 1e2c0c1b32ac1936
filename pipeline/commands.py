"""What a transport may ask of an agent. Values only; `Agent.do` carries them out in the order they come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.decoders.decoder import Tool, ToolChoice
from pipeline.items import Item
from pipeline.thinking import Mode
from tts.synthesizer import Pcm

Modality = Literal["audio", "text"]


@dataclass(frozen=True, slots=True)
class ServerVad:
    """The turn ends after a fixed silence."""

    threshold: float
    """Speech probability from which a frame counts as speech, 0 to 1."""
    prefix_padding_s: float
    silence_s: float
    idle_timeout_s: float | None = None
    """Answer unasked after this much silence behind an answer; None never does."""
    create_response: bool = True
    interrupt_response: bool = True


@dataclass(frozen=True, slots=True)
class SemanticVad:
    """The turn ends when the words say so."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetection = ServerVad | SemanticVad | None
"""None: the client says when a turn is over (`Commit`)."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How one conversation is held. A new value replaces the old one as a whole (`Update`)."""

    instructions: str
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice
    modality: Modality
    """What answers are made of; an audio answer carries its words as well."""
    voice: str
    output_rate: int
    """Hz of the audio that the agent emits."""
    max_output_tokens: int | None
    """None: the decoder's own limit."""
    turn_detection: TurnDetection
    transcribe: bool
    """Whether the client wants to read what was heard (`Transcribed` events)."""
    thinking: Mode = "off"
    """How a decoder that can think does so."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Microphone audio: float32, mono, 16 kHz, any length."""

    pcm: Pcm


@dataclass(frozen=True, slots=True)
class Silence:
    """The transport's word that time went by without audio, so that the sample clock goes on.

    It is silence for turn detection, and no part of a turn that the client commits by hand.
    """

    samples: int


@dataclass(frozen=True, slots=True)
class Update:
    settings: SessionSettings


@dataclass(frozen=True, slots=True)
class Commit:
    """End the user's turn here (input_audio_buffer.commit)."""

    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Clear:
    """Forget the audio of the turn that is open (input_audio_buffer.clear)."""


@dataclass(frozen=True, slots=True)
class AddItem:
    """Insert `item` after the item of id `after`; None appends, "root" puts it first."""

    item: Item
    after: str | None = None
    event_id: str | None = None
    audio: Pcm | None = field(default=None, compare=False)
    """The sound of a user's message whose text is None, float32, mono, 16 kHz: to be transcribed."""


@dataclass(frozen=True, slots=True)
class RetrieveItem:
    item_id: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteItem:
    item_id: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class TruncateItem:
    """The listener heard only the first `heard_s` seconds of this answer."""

    item_id: str
    heard_s: float
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer now. What is None comes from the session's settings."""

    instructions: str | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    modality: Modality | None = None
    voice: str | None = None
    max_output_tokens: int | None = None
    thinking: Mode | None = None
    input: tuple[Item, ...] | None = None
    """Answer these items instead of the conversation."""
    into_conversation: bool = True
    """Whether the answer becomes part of the conversation."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the answer that is being given; with an id, only that one."""

    response_id: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop what is being said, and what is still being heard (output_audio_buffer.clear)."""


Command = (
    Audio
    | Silence
    | Update
    | Commit
    | Clear
    | AddItem
    | RetrieveItem
    | DeleteItem
    | TruncateItem
    | Respond
    | Cancel
    | Hush
)
