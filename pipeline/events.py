"""What an agent reports to its transport. Times are input samples at 16 kHz from the conversation's start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from audio.pcm import Pcm
from pipeline.commands import Modality, SessionSettings
from pipeline.conversation.items import Item
from pipeline.runtime.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Updated:
    """`settings` are in force now. They differ from those asked for if a voice could not be loaded."""

    settings: SessionSettings
    token: int | None = field(default=None, compare=False)
    """Token of the `Update` that is confirmed; None: the agent changed its settings by itself."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    item_id: str
    """The id that the user's message will have."""
    at: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    item_id: str
    at: int


@dataclass(frozen=True, slots=True)
class IdleTimeout:
    """Nobody spoke for the idle timeout: an empty turn is committed and answered."""

    item_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The user's turn is over and becomes the message `item_id`."""

    item_id: str
    after: str | None


@dataclass(frozen=True, slots=True)
class Cleared:
    """The open turn's audio is forgotten."""


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """`item` is in the conversation, following the item `after` (None: it is the first)."""

    item: Item
    after: str | None


@dataclass(frozen=True, slots=True)
class ItemDone:
    """`item` is complete, or was cut short, and will not change unless it is truncated."""

    item: Item
    after: str | None


@dataclass(frozen=True, slots=True)
class ItemRetrieved:
    item: Item


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    item_id: str


@dataclass(frozen=True, slots=True)
class ItemTruncated:
    item_id: str
    heard_s: float
    unasked: bool = False
    """Whether the agent did it by its own reckoning of what was played, when somebody broke in."""


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The transcript of a user's turn. `delta` extends the caption; `final` comes once, with all the words."""

    item_id: str
    delta: str
    final: str | None = None
    seconds: float = 0.0
    """Length of the audio, with the final transcript."""


@dataclass(frozen=True, slots=True)
class TranscriptionFailed:
    item_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens and the audio of one answer."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    output_audio_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    response_id: str
    modality: Modality
    voice: str
    max_output_tokens: int | None
    into_conversation: bool
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OutputAdded:
    """The answer's item number `index` begins; a message has one content part of the response's modality."""

    response_id: str
    index: int
    item: Item


@dataclass(frozen=True, slots=True)
class OutputText:
    """More words of the answer: its text, or the transcript of its audio, in step with the audio."""

    response_id: str
    index: int
    item_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class OutputAudio:
    """More audio of the answer, at the session's `output_rate`, contiguous with the last."""

    response_id: str
    index: int
    item_id: str
    pcm: Pcm
    timeline: Timeline = field(compare=False)
    """The transport stamps `first_packet` when the first of these has left."""


@dataclass(frozen=True, slots=True)
class Thoughts:
    """More of what the model thinks about an answer."""

    response_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class ResumedAnswer:
    """An answer that plays on after a pause, from the beginning of the word that it broke off (`audio/word_start.py`).

    It is at the first sample of that word again: what is played twice counts once.
    """

    response_id: str
    item_id: str
    rate: int
    words: tuple[tuple[int, int], ...]
    """First sample and end of the words around the pause, at `rate` Hz."""


@dataclass(frozen=True, slots=True)
class Playback:
    """How to play the agent's voice from now on, while it is decided whether somebody interrupts.

    "ducked": quieter. "paused": silent; the audio waits and nothing of it is lost. "full": as usual.
    """

    state: Literal["full", "ducked", "paused"]
    resumed: ResumedAnswer | None = None
    """After a pause: the answer that plays on."""


@dataclass(frozen=True, slots=True)
class HeardOverAnswer:
    """What somebody says over the agent's voice, so far and for all that is known; whether it is a turn is open."""

    text: str


@dataclass(frozen=True, slots=True)
class OutputDone:
    """The answer's item number `index` is finished or was cut short."""

    response_id: str
    index: int
    item: Item


StopReason = Literal["turn_detected", "client_cancelled"]
"""Why an answer was cancelled: the person spoke, or the client asked for it."""


Fault = Literal["decoder", "voice", "agent"]
"""The part of the agent that made an answer fail; "agent": neither of the models."""


@dataclass(frozen=True, slots=True)
class ResponseDone:
    response_id: str
    status: Literal["completed", "cancelled", "incomplete", "failed"]
    reason: StopReason | Literal["max_output_tokens"] | None
    error: str | None
    """What failed, in words, when the status is "failed"."""
    outputs: tuple[Item, ...]
    usage: Usage
    timeline: Timeline
    metadata: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    """What failed, for those who run the server."""
    code: str | None = None
    """Of an error that the next answer would meet again; None: another try may succeed."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A command could not be carried out; nothing has changed."""

    code: str
    message: str
    param: str | None = None
    event_id: str | None = None


Event = (
    Updated
    | SpeechStarted
    | SpeechStopped
    | IdleTimeout
    | Committed
    | Cleared
    | ItemAdded
    | ItemDone
    | ItemRetrieved
    | ItemDeleted
    | ItemTruncated
    | Transcribed
    | TranscriptionFailed
    | ResponseStarted
    | OutputAdded
    | OutputText
    | OutputAudio
    | Thoughts
    | Playback
    | HeardOverAnswer
    | OutputDone
    | ResponseDone
    | Refused
)
