"""A client's edits of the conversation's items, and the events that answer them. Pure."""

from pipeline.commands import AddItem, DeleteItem, RetrieveItem, TruncateItem
from pipeline.conversation.history import Conversation, DuplicateItem, InvalidCallId
from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.events import Event, ItemAdded, ItemDeleted, ItemDone, ItemRetrieved, ItemTruncated, Refused

Edit = AddItem | RetrieveItem | DeleteItem | TruncateItem
"""A command that reads or changes the conversation's items."""

_MOST_CHARACTERS = 100_000
"""Longest item: far more than any context holds, and little enough for a conversation of many items."""


def edit(conversation: Conversation, command: Edit) -> list[Event]:
    """Carry out `command`. If that is impossible, nothing changes and the only event is a `Refused` with the reason."""
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
        code, param = _UNKNOWN[type(command)]
        return [Refused(code, str(error), param, command.event_id)]
    except DuplicateItem as error:
        return [Refused("item_create_duplicate_item_id", str(error), "item.id", command.event_id)]
    except InvalidCallId as error:
        return [Refused("invalid_tool_call_id", str(error), "item.call_id", command.event_id)]
    except ValueError as error:
        return [Refused("invalid_value", str(error), None, command.event_id)]


_UNKNOWN: dict[type[Edit], tuple[str, str]] = {
    AddItem: ("item_create_invalid_previous_item_id", "previous_item_id"),
    RetrieveItem: ("item_retrieve_invalid_item_id", "item_id"),
    DeleteItem: ("item_delete_invalid_item_id", "item_id"),
    TruncateItem: ("item_truncate_invalid_item_id", "item_id"),
}
"""Error code and parameter for an item id that the conversation does not have, as clients know them by name."""


def _text(item: Item) -> str:
    match item:
        case Message():
            return item.text or ""
        case FunctionCall():
            return item.arguments
        case FunctionOutput():
            return item.output
