"""What a session needs to be continued elsewhere, as JSON: its identity, its configuration and its conversation."""

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import TypeAdapter

from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message, Status
from pipeline.conversation.spoken_words import SpokenWord
from realtime.protocol.session_config import Config


@dataclass(frozen=True, slots=True)
class SessionState:
    """A session between two connections."""

    session_id: str
    conversation_id: str
    config: Config
    items: tuple[Item, ...]
    """The conversation; of an answer only the words that were played."""

    @property
    def has_spoken(self) -> bool:
        """Whether the client has heard the agent's voice."""
        return any(isinstance(item, Message) and item.role == "assistant" and item.spoken for item in self.items)


@dataclass(frozen=True, slots=True)
class _StoredMessage:
    """A message without its audio, which a decoder that reads audio then replaces by the transcript."""

    id: str
    role: Literal["system", "user", "assistant"]
    text: str
    spoken: bool
    status: Status
    manner: str
    rate: int
    words: tuple[SpokenWord, ...]


@dataclass(frozen=True, slots=True)
class _Stored:
    session_id: str
    conversation_id: str
    config: Config
    items: tuple[_StoredMessage | FunctionCall | FunctionOutput, ...]


_JSON = TypeAdapter(_Stored)


def to_json(state: SessionState) -> bytes:
    """The state as JSON. Only the last answer keeps the times of its words: it is what a client may still truncate."""
    spoken = [item.id for item in state.items if isinstance(item, Message) and item.words]
    items = tuple(_stored(item, with_words=item.id in spoken[-1:]) for item in state.items)
    return _JSON.dump_json(_Stored(state.session_id, state.conversation_id, state.config, items))


def from_json(data: bytes) -> SessionState:
    """The state that `to_json` wrote. Raises `ValueError`."""
    stored = _JSON.validate_json(data)
    return SessionState(
        stored.session_id, stored.conversation_id, stored.config, tuple(_restored(item) for item in stored.items)
    )


def _stored(item: Item, with_words: bool) -> _StoredMessage | FunctionCall | FunctionOutput:
    if not isinstance(item, Message):
        return replace(item)
    return _StoredMessage(
        item.id,
        item.role,
        item.text or "",
        item.spoken,
        item.status,
        item.manner,
        item.rate if with_words else 0,
        tuple(item.words) if with_words else (),
    )


def _restored(item: _StoredMessage | FunctionCall | FunctionOutput) -> Item:
    if not isinstance(item, _StoredMessage):
        return item
    return Message(
        item.id,
        item.role,
        item.text,
        spoken=item.spoken,
        status=item.status,
        words=list(item.words),
        rate=item.rate,
        manner=item.manner,
    )
