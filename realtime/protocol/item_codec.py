"""Conversation items, converted between the protocol's types and the agent's."""

from openai.types.realtime import (
    ConversationItem,
    RealtimeConversationItemAssistantMessage,
    RealtimeConversationItemFunctionCall,
    RealtimeConversationItemFunctionCallOutput,
    RealtimeConversationItemSystemMessage,
    RealtimeConversationItemUserMessage,
)
from openai.types.realtime import realtime_conversation_item_assistant_message as assistant
from openai.types.realtime import realtime_conversation_item_system_message as system
from openai.types.realtime import realtime_conversation_item_user_message as user

from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.runtime.ids import new_id
from realtime.protocol.parsing import Invalid


def to_item(wire: ConversationItem, param: str) -> tuple[Item, str | None]:
    """The agent's item, and the audio of a spoken message that has no transcript yet, in base64. Raises `Invalid`.

    A client's `status` has no effect, as the protocol specifies.
    """
    item_id = wire.id or new_id("item")
    match wire:
        case RealtimeConversationItemSystemMessage():
            text = "\n".join(part.text or "" for part in wire.content)
            return Message(item_id, "system", text), None
        case RealtimeConversationItemUserMessage():
            return _user_message(item_id, wire.content, param)
        case RealtimeConversationItemAssistantMessage():
            return _assistant_message(item_id, wire.content, param), None
        case RealtimeConversationItemFunctionCall():
            return FunctionCall(item_id, wire.call_id or new_id("call"), wire.name, wire.arguments), None
        case RealtimeConversationItemFunctionCallOutput():
            return FunctionOutput(item_id, wire.call_id, wire.output), None
        case _:
            raise Invalid("unsupported_item", f"Items of type '{wire.type}' are not supported.", f"{param}.type")


def from_item(item: Item) -> ConversationItem:
    match item:
        case FunctionCall():
            return RealtimeConversationItemFunctionCall(
                id=item.id,
                object="realtime.item",
                type="function_call",
                status=item.status,
                call_id=item.call_id,
                name=item.name,
                arguments="" if item.status == "in_progress" else item.arguments,
            )
        case FunctionOutput():
            return RealtimeConversationItemFunctionCallOutput(
                id=item.id,
                object="realtime.item",
                type="function_call_output",
                status=item.status,
                call_id=item.call_id,
                output=item.output,
            )
        case Message(role="system"):
            return RealtimeConversationItemSystemMessage(
                id=item.id,
                object="realtime.item",
                type="message",
                status=item.status,
                role="system",
                content=[system.Content(type="input_text", text=item.text or "")],
            )
        case Message(role="user"):
            return RealtimeConversationItemUserMessage(
                id=item.id,
                object="realtime.item",
                type="message",
                status=item.status,
                role="user",
                content=[
                    user.Content(type="input_audio", transcript=item.text)
                    if item.spoken
                    else user.Content(type="input_text", text=item.text or "")
                ],
            )
        case Message():
            part = (
                assistant.Content(type="output_audio", transcript=item.text or "")
                if item.spoken
                else assistant.Content(type="output_text", text=item.text or "")
            )
            return RealtimeConversationItemAssistantMessage(
                id=item.id,
                object="realtime.item",
                type="message",
                status=item.status,
                role="assistant",
                content=[] if item.status == "in_progress" else [part],
            )


def audio_place(param: str) -> str:
    """Where in the item at `param` its audio stands."""
    return f"{param}.content[0].audio"


def _user_message(item_id: str, content: list[user.Content], param: str) -> tuple[Message, str | None]:
    kinds = {part.type for part in content}
    if kinds == {"input_text"}:
        return Message(item_id, "user", "\n".join(part.text or "" for part in content)), None
    if kinds != {"input_audio"}:
        message = "A user's message is made of input_text or of one input_audio; images are not supported."
        raise Invalid("unsupported_content", message, f"{param}.content")
    if len(content) > 1:
        raise Invalid("unsupported_content", "A message has one input_audio.", f"{param}.content[1]")
    place = audio_place(param)
    if content[0].audio is None:
        if content[0].transcript is None:
            raise Invalid("missing_required_parameter", f"Missing required parameter: '{place}'.", place)
        return Message(item_id, "user", content[0].transcript, spoken=True), None
    return Message(item_id, "user", None, spoken=True), content[0].audio


def _assistant_message(item_id: str, content: list[assistant.Content], param: str) -> Message:
    for number, part in enumerate(content):
        place = f"{param}.content[{number}]"
        if part.type is None:
            raise Invalid("missing_required_parameter", f"Missing required parameter: '{place}.type'.", place)
        if part.audio is not None:
            message = "A conversation can't be filled with the assistant's audio; send its transcript alone."
            raise Invalid("unsupported_content", message, f"{place}.audio")
    words = [(part.text if part.type == "output_text" else part.transcript) or "" for part in content]
    spoken = any(part.type == "output_audio" for part in content)
    return Message(item_id, "assistant", "\n".join(words), spoken=spoken)
