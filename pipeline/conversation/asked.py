"""What the user has asked, which may be more than their last message. Pure."""

from collections.abc import Iterator, Sequence
from itertools import dropwhile, takewhile

from pipeline.conversation.items import Item, Message


def last_asked(items: Sequence[Item]) -> str:
    """The words of the user's last message; "" where they are unknown."""
    return next((message.text or "" for message in _newest_first(items) if message.role == "user"), "")


def asked_about(items: Sequence[Item]) -> str:
    """The words of the user's last message, and before them what it is about; "" where they are unknown.

    Who pauses between two sentences may be answered in between, and speaks on: "Ann is taller than Bob." "Who is the
    shortest?" So the statements before the last message belong to it, unless an answer to them was heard to its end.
    """
    asked = dropwhile(lambda message: message.role != "user", _newest_first(items))
    last = next(asked, None)
    if last is None or not last.text:
        return ""
    said = [last, *takewhile(_leads_on, asked)]
    return " ".join(message.text for message in reversed(said) if message.role == "user" and message.text).strip()


def _newest_first(items: Sequence[Item]) -> Iterator[Message]:
    return (item for item in reversed(items) if isinstance(item, Message) and item.role in ("user", "assistant"))


def _leads_on(message: Message) -> bool:
    """Whether what the user says next belongs to it: a statement, or an answer that was not heard to its end."""
    if message.role == "user":
        return not (message.text or "").rstrip().endswith("?")
    return message.cut_short
