"""What another agent needs to continue a conversation that broke off. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pipeline.commands import TurnDetection
from pipeline.conversation.items import Item, Message


def continuable(items: Iterable[Item]) -> Iterator[Item]:
    """The items that make sense to somebody who continues: without messages that have no words, or none yet."""
    for item in items:
        if isinstance(item, Message) and not item.text:
            continue
        yield replace(item, status="incomplete") if item.status == "in_progress" else item


def awaits_answer(items: Iterable[Item], turn_detection: TurnDetection) -> bool:
    """Whether the last item is a turn that turn detection ended and nobody has answered."""
    last: Item | None = None
    for last in items:  # noqa: B007 - the last one is what matters
        pass
    if turn_detection is None or not turn_detection.create_response:
        return False
    return isinstance(last, Message) and last.role == "user" and last.spoken and bool(last.text)
