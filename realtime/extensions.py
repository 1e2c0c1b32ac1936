"""What the standard protocol lacks: sent only to clients that ask for it in the query of their address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Extensions:
    """Those that a client asks for, each by its name and a 1."""

    timeline: bool = False
    """The turn's time stamps in every `response.done`."""
    playback: bool = False
    """Word of when to play quieter and when to wait, for a client that does so."""
    thoughts: bool = False
    """What the model thinks."""

    @staticmethod
    def of(query: Mapping[str, str]) -> "Extensions":
        return Extensions(**{name: query.get(name) in ("1", "true") for name in Extensions.__dataclass_fields__})


class PlaybackEvent(BaseModel):
    """How the client is to play what it has of the answer, from now on."""

    type: Literal["antiphon.playback"]
    event_id: str
    state: Literal["full", "ducked", "paused"]


class OutputAudioEvent(BaseModel):
    """So much more sound of an answer is on its way by another road than this one."""

    type: Literal["antiphon.output_audio"]
    event_id: str
    response_id: str
    item_id: str
    duration_ms: float


class ThoughtsDeltaEvent(BaseModel):
    """More of what the model thinks about its answer."""

    type: Literal["antiphon.thoughts.delta"]
    event_id: str
    response_id: str
    delta: str


ExtensionEvent = PlaybackEvent | OutputAudioEvent | ThoughtsDeltaEvent
