"""Extensions of the protocol, which only clients that ask for them in the query of the URL receive."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from openai.types.realtime import ConversationItem
from pydantic import BaseModel

from pipeline.events import HeardOverAnswer, Playback
from pipeline.runtime.ids import new_id


@dataclass(frozen=True, slots=True)
class Extensions:
    """The extensions that a client asks for, each by its name and 1, as in `?timeline=1`."""

    timeline: bool = False
    """Time stamps of the turn in the metadata of every `response.done`."""
    playback: bool = False
    """Events that ask the client to duck, pause or resume playback, which it must follow."""
    thoughts: bool = False
    """Events with the model's thoughts."""

    @staticmethod
    def of(query: Mapping[str, str]) -> "Extensions":
        """The extensions named in the query of a URL."""
        return Extensions(**{name: query.get(name) in ("1", "true") for name in Extensions.__dataclass_fields__})


class PlaybackEvent(BaseModel):
    """Asks the client to play the answer with this loudness from now on."""

    type: Literal["antiphon.playback"]
    event_id: str
    state: Literal["full", "ducked", "paused"]
    item_id: str | None = None
    """After a pause: the item that plays on, from the beginning of the word that it broke off."""
    words_ms: list[tuple[float, float]] | None = None
    """Start and end, in milliseconds of the item's audio, of its words around the pause."""


class OverheardEvent(BaseModel):
    """What somebody says over the answer, so far; whether it is a turn is open."""

    type: Literal["antiphon.overheard"]
    event_id: str
    text: str


def overlap_event(event: Playback | HeardOverAnswer) -> PlaybackEvent | OverheardEvent:
    """The event of a client that plays as it is asked, while somebody speaks over the answer."""
    if isinstance(event, HeardOverAnswer):
        return OverheardEvent(type="antiphon.overheard", event_id=new_id("event"), text=event.text)
    return _playback_event(event)


def _playback_event(playback: Playback) -> PlaybackEvent:
    event = PlaybackEvent(type="antiphon.playback", event_id=new_id("event"), state=playback.state)
    if (resumed := playback.resumed) is not None:
        event.item_id = resumed.item_id
        event.words_ms = [(start * 1000 / resumed.rate, end * 1000 / resumed.rate) for start, end in resumed.words]
    return event


class OutputAudioEvent(BaseModel):
    """Announces audio of an answer that is sent by RTP instead of events."""

    type: Literal["antiphon.output_audio"]
    event_id: str
    response_id: str
    item_id: str
    duration_ms: float


class ThoughtsDeltaEvent(BaseModel):
    """More of the model's thoughts about its answer."""

    type: Literal["antiphon.thoughts.delta"]
    event_id: str
    response_id: str
    delta: str


class ResumptionEvent(BaseModel):
    """How to continue this session on another connection, and what was continued on this one."""

    type: Literal["antiphon.resumption"]
    event_id: str
    token: str
    """Value of `resume` in the query of the next connection's URL."""
    expires_after_s: float
    """Time without a connection after which the session is forgotten."""
    resumed: bool
    """Whether the session was continued; false: it is a new one."""
    items: list[ConversationItem]
    """The conversation as the server continues it; of the last answer only the words that were played."""


ExtensionEvent = PlaybackEvent | OverheardEvent | OutputAudioEvent | ThoughtsDeltaEvent | ResumptionEvent
