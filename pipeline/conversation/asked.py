"""What the user has asked, which may be more than their last message. Pure."""

from collections.abc import Sequence

from pipeline.conversation.items import Item, Message


def last_asked(items: Sequence[Item]) -> str:
    """The words of the user's last message; "" where they are unknown."""
    messages = (item for item in reversed(items) if isinstance(item, Message) and item.role == "user")
    last = next(messages, None)
    return (last.text or "") if last is not None else ""


def asked_about(items: Sequence[Item]) -> str:
    """The words of the user's last message, and before them what it is about; "" where they are unknown.

    Who pauses between two sentences may be answered in between, and speaks on: "Ann is taller than Bob." "Who is the
    shortest?" So the statements before the last message belong to it, unless an answer to them was heard to its end.
    """
    said = [last_asked(items)]
    if not said[0]:
        return ""
    messages = [item for item in items if isinstance(item, Message) and item.role in ("user", "assistant")]
    last = max(at for at, message in enumerate(messages) if message.role == "user")
    for message in reversed(messages[:last]):
        text = (message.text or "").rstrip()
        if message.role == "user" and not text.endswith("?"):
            said.append(text)
        elif not message.cut_short:
            break
    return " ".join(reversed(said)).strip()
