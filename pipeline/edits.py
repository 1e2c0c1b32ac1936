"""What a client does to the conversation's items, and what it is told of it. Pure."""

from pipeline.commands import AddItem, DeleteItem, RetrieveItem, TruncateItem
from pipeline.conversation import Conversation
from pipeline.events import Event, ItemAdded, ItemDeleted, ItemDone, ItemRetrieved, ItemTruncated, Refused
from pipeline.items import FunctionCall, FunctionOutput, Item, Message

Edit = AddItem | RetrieveItem | DeleteItem | TruncateItem


_MOST_CHARACTERS = 100_000
"""Of one item: far more than any context holds, and little enough for a conversation of many."""


def edit(conversation: Conversation, command: Edit) -> list[Event]:
    """Carry out `command`; if that can't be, nothing changes and the one event says why."""
    try:
        match command:
            case AddItem():
                if len(_text(command.item)) > _MOST_CHARACTERS:
                    raise ValueError(f"an item holds at most {_MOST_CHARACTERS} characters")
                after = conversation.insert(command.item, command.after)
                return [ItemAdded(command.item, after), ItemDone(command.item, after)]
            case RetrieveItem():
                return [ItemRetrieved(conversation[command.item_id])]
            case DeleteItem():
                conversation.delete(command.item_id)
                return [ItemDeleted(command.item_id)]
            case TruncateItem():
                conversation.truncate(command.item_id, command.heard_s)
                return [ItemTruncated(command.item_id, command.heard_s)]
    except LookupError as error:
        return [Refused("item_not_found", str(error), "item_id", command.event_id)]
    except ValueError as error:
        return [Refused("invalid_value", str(error), None, command.event_id)]


def _text(item: Item) -> str:
    match item:
        case Message():
            return item.text or ""
        case FunctionCall():
            return item.arguments
        case FunctionOutput():
            return item.output
