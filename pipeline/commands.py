"""What a transport may ask of an agent: values only. `Agent.do` carries them out in their order."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from audio.pcm import Pcm
from pipeline.conversation.items import Item
from pipeline.decoders.decoder import Tool, ToolChoice
from pipeline.thinking.schedule import Mode

Modality = Literal["audio", "text"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServerVad:
    """Turn detection by a fixed silence."""

    threshold: float
    """Speech probability from which a frame counts as speech, 0 to 1."""
    prefix_padding_s: float
    silence_s: float
    idle_timeout_s: float | None = None
    """Silence after an answer until the agent speaks again unasked; None: it never does."""
    create_response: bool = True
    interrupt_response: bool = True


@dataclass(frozen=True, slots=True)
class SemanticVad:
    """Turn detection by whether the turn sounds complete, in its words and its voice."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetection = ServerVad | SemanticVad | None
"""How turns end; None: the client says so (`Commit`)."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How one conversation is held. A new value replaces the old one as a whole (`Update`)."""

    instructions: str
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice
    modality: Modality
    """What answers consist of; an audio answer carries its words as well."""
    voice: str
    output_rate: int
    """Hz of the audio that the agent emits."""
    max_output_tokens: int | None
    """None: the decoder's own limit."""
    turn_detection: TurnDetection
    transcribe: bool
    """Whether the client wants `Transcribed` events."""
    thinking: Mode = "off"
    """When a decoder that can think does so."""
    speed: float = 1.0
    """Pace of the voice, where the voice can change it: 1.5 talks half as fast again."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Microphone audio: float32, mono, 16 kHz, any length."""

    pcm: Pcm


@dataclass(frozen=True, slots=True)
class Silence:
    """Time that passed without audio, so that the sample clock advances.

    Turn detection takes it for silence; it is no part of a turn that the client commits by hand.
    """

    samples: int


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the session's settings. The agent confirms with an `Updated` event of the same `token`."""

    settings: SessionSettings
    token: int | None = field(default=None, compare=False)
    event_id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Commit:
    """End the user's turn here (input_audio_buffer.commit)."""

    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Clear:
    """Forget the audio of the open turn (input_audio_buffer.clear)."""


@dataclass(frozen=True, slots=True)
class AddItem:
    """Insert `item` after the item of id `after`; None appends, "root" puts it first."""

    item: Item
    after: str | None = None
    event_id: str | None = None
    audio: Pcm | None = field(default=None, compare=False)
    """Audio of a user's message whose text is None, to be transcribed: float32, mono, 16 kHz."""


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
    """Only the first `heard_s` seconds of this answer were played."""

    item_id: str
    heard_s: float
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class ItemReference:
    """An item of the conversation, by its id, as input of an answer."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer now. A field that is None is taken from the session's settings."""

    instructions: str | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    modality: Modality | None = None
    voice: str | None = None
    max_output_tokens: int | None = None
    thinking: Mode | None = None
    input: tuple[Item | ItemReference, ...] | None = None
    """Answer these items instead of the conversation."""
    words: str | None = None
    """Say this instead of what the decoder would write."""
    into_conversation: bool = True
    """Whether the answer becomes part of the conversation."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    event_id: str | None = None

    def override(self, settings: SessionSettings) -> SessionSettings:
        """The settings of this answer, in a session with `settings`."""

        def chosen(wanted: T | None, usual: T) -> T:
            return usual if wanted is None else wanted

        return replace(
            settings,
            instructions=chosen(self.instructions, settings.instructions),
            tools=chosen(self.tools, settings.tools),
            tool_choice=chosen(self.tool_choice, settings.tool_choice),
            modality=chosen(self.modality, settings.modality),
            voice=chosen(self.voice, settings.voice),
            max_output_tokens=chosen(self.max_output_tokens, settings.max_output_tokens),
            thinking=chosen(self.thinking, settings.thinking),
        )


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the answer that is being made; with an id, only that one."""

    response_id: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop what is being said and what is still being played (output_audio_buffer.clear)."""


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
