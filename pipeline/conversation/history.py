"""A conversation's items in their order. Pure."""

from collections.abc import Collection, Iterable, Iterator

from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.conversation.spoken_words import played_text

ROOT = "root"
"""Value of `after` in `Conversation.insert` for the front."""


class UnknownItem(LookupError):
    """The conversation has no item with that id."""


class DuplicateItem(ValueError):
    """The conversation already has an item with that id."""


class InvalidCallId(ValueError):
    """A call's output has no call that it belongs to, or a call's id is taken."""


class Conversation:
    """The items of a conversation in order, bounded in number and in text. Beyond that the oldest are dropped.

    `limit`: most items. `max_characters`: longest text of all items together, with names and ids: a security limit.
    """

    def __init__(self, limit: int, max_characters: int = 2**20) -> None:
        self._limit = limit
        self._max_characters = max_characters
        self._items: dict[str, Item] = {}
        self._unanswered: dict[str, FunctionCall] = {}
        """The calls without output, by their ids."""

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
        """Id of the last item; None if there are no items."""
        return next(reversed(self._items), None)

    @property
    def unanswered(self) -> Collection[FunctionCall]:
        """The calls that have no output, in the order in which they were made."""
        return self._unanswered.values()

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Insert `item` after the item `after` (None: at the end; ROOT: at the front).

        Returns the id of the item that now precedes it, None if it is the first.
        Raises `UnknownItem`, `DuplicateItem` and `InvalidCallId`, with nothing changed.
        """
        if item.id in self._items:
            raise DuplicateItem(f"the conversation already has an item {item.id!r}")
        check_call_ids([*self, item])
        if after not in (None, ROOT):
            self[after]
        room = self._max_characters - item.characters
        held = sum(other.characters for other in self)
        while self._items and (len(self._items) >= self._limit or held > room):
            oldest = next(iter(self._items))
            after = ROOT if after == oldest else after
            held -= self._items[oldest].characters
            self._remove(oldest)
        ids = list(self._items)
        at = len(ids) if after is None else 0 if after == ROOT else ids.index(after) + 1
        items = list(self._items.values())
        items.insert(at, item)
        self._items = {item.id: item for item in items}
        if isinstance(item, FunctionCall):
            self._unanswered[item.call_id] = item
        elif isinstance(item, FunctionOutput):
            self._unanswered.pop(item.call_id, None)
        return ids[at - 1] if at else None

    def delete(self, item_id: str) -> None:
        """Remove an item. Raises `UnknownItem`."""
        self._remove(self[item_id].id)

    def _remove(self, item_id: str) -> None:
        removed = self._items.pop(item_id)
        if isinstance(removed, FunctionCall):
            self._unanswered.pop(removed.call_id, None)
        elif isinstance(removed, FunctionOutput):
            calls = (item for item in self if isinstance(item, FunctionCall))
            self._unanswered |= {call.call_id: call for call in calls if call.call_id == removed.call_id}

    def keep_audio_units(self, tokens: int) -> None:
        """Keep the newest audio units that fit into `tokens` together, and drop the others; transcripts stay."""
        for item in reversed(self._items.values()):
            if isinstance(item, Message):
                tokens -= sum(map(len, item.audio_units))
                if tokens < 0:
                    item.audio_units = ()

    def truncate(self, item_id: str, played_s: float) -> Message:
        """Set the text of a spoken answer to the words that were played in its first `played_s` seconds.

        May be called again with another time, also a longer one: the words and their times are kept. Raises
        `UnknownItem`, and `ValueError` for an item that is not an answer spoken here.
        """
        item = self[item_id]
        if not isinstance(item, Message) or item.role != "assistant" or not item.rate:
            raise ValueError(f"the item {item_id!r} is not an answer that was spoken here: only those can be truncated")
        item.text = played_text(item.words, round(played_s * item.rate))
        return item


def check_call_ids(items: Iterable[Item]) -> None:
    """Check that the last of `items` fits those before it: an output has a call that has no other; a call's id is new.

    Raises `InvalidCallId`.
    """
    *before, last = items
    if isinstance(last, Message):
        return
    calls = any(isinstance(item, FunctionCall) and item.call_id == last.call_id for item in before)
    answered = any(isinstance(item, FunctionOutput) and item.call_id == last.call_id for item in before)
    if isinstance(last, FunctionOutput) and not calls:
        raise InvalidCallId(f"Tool call ID '{last.call_id}' not found in conversation.")
    if isinstance(last, FunctionOutput) and answered:
        raise InvalidCallId(f"Tool call ID '{last.call_id}' has an output already.")
    if isinstance(last, FunctionCall) and (calls or answered):
        raise InvalidCallId(f"Tool call ID '{last.call_id}' is in the conversation already.")
