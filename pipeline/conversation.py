"""A conversation's items in their order, and what the decoder reads of them. Pure."""

from collections.abc import Iterable, Iterator

from pipeline.decoders.decoder import Called, Close, Open, Returned, Text, Unit
from pipeline.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.playout import heard
from pipeline.prompt import Group

ROOT = "root"
"""As `after`: before everything else."""


class UnknownItem(LookupError):
    """No item of the conversation has that id."""


class DuplicateItem(ValueError):
    """An item of that id is in the conversation already."""


class Conversation:
    """At most `limit` items; beyond that the oldest go."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: dict[str, Item] = {}

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def __getitem__(self, item_id: str) -> Item:
        """Raises `UnknownItem`."""
        try:
            return self._items[item_id]
        except KeyError:
            raise UnknownItem(f"the conversation has no item {item_id!r}") from None

    @property
    def last(self) -> str | None:
        return next(reversed(self._items), None)

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Put `item` behind the item `after` (None: at the end; ROOT: at the front).

        Returns the id of the item that now stands before it, None if it is the first.
        Raises `UnknownItem` and `DuplicateItem`, with nothing changed.
        """
        if item.id in self._items:
            raise DuplicateItem(f"the conversation has an item {item.id!r} already")
        if after not in (None, ROOT):
            self[after]
        while len(self._items) >= self._limit:
            oldest = next(iter(self._items))
            after = ROOT if after == oldest else after
            del self._items[oldest]
        ids = list(self._items)
        place = len(ids) if after is None else 0 if after == ROOT else ids.index(after) + 1
        items = list(self._items.values())
        items.insert(place, item)
        self._items = {item.id: item for item in items}
        return ids[place - 1] if place else None

    def delete(self, item_id: str) -> None:
        del self._items[self[item_id].id]

    def keep_sound(self, tokens: int) -> None:
        """Of the sound that is kept beside the words, keep the newest that fits together."""
        for item in reversed(self._items.values()):
            if isinstance(item, Message):
                tokens -= sum(map(len, item.sound))
                if tokens < 0:
                    item.sound = ()

    def truncate(self, item_id: str, heard_s: float) -> Message:
        """Keep of a spoken answer only the words that were played in its first `heard_s` seconds.

        May be called again with another time, a longer one too: the words are kept, the text is what was heard.
        Raises `UnknownItem`, and `ValueError` for an item that is no answer spoken here.
        """
        item = self[item_id]
        if not isinstance(item, Message) or item.role != "assistant" or not item.rate:
            raise ValueError(f"the item {item_id!r} is no answer that was spoken here: only those can be truncated")
        item.text = heard(item.words, round(heard_s * item.rate))
        return item


def as_units(items: Iterable[Item]) -> list[Group]:
    """What a decoder reads of each item. Items that say nothing (not transcribed, not heard) are left out."""
    return [_group(item) for item in items if not isinstance(item, Message) or item.readable]


def _group(item: Item) -> Group:
    if isinstance(item, Message) and item.sound:
        return Group(item.id, (Open(item.role), *item.sound, Close(item.role)), _units(item))
    return Group(item.id, _units(item))


def _units(item: Item) -> tuple[Unit, ...]:
    match item:
        case Message():
            text = f"{item.text} {item.manner}" if item.manner else item.text
            return (Open(item.role), Text(text), Close(item.role)) if item.text and text else ()
        case FunctionCall():
            return (Open("assistant"), Called(item.call_id, item.name, item.arguments), Close("assistant"))
        case FunctionOutput():
            return (Open("tool"), Returned(item.call_id, item.output), Close("tool"))
