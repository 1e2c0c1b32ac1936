"""Conversation items: the protocol's and the agent's."""

import base64
import binascii

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

from pipeline.ids import new_id
from pipeline.items import FunctionCall, FunctionOutput, Item, Message
from realtime.codec import AudioFormat, decode_clip
from realtime.wire import Invalid
from tts.synthesizer import Pcm


def to_item(wire: ConversationItem, input_format: AudioFormat, param: str) -> tuple[Item, Pcm | None]:
    """The item, and the sound of a spoken message that has no words yet. Raises `Invalid`.

    The protocol gives a client's `status` no effect.
    """
    item_id = wire.id or new_id("item")
    match wire:
        case RealtimeConversationItemSystemMessage():
            text = "\n".join(part.text or "" for part in wire.content)
            return Message(item_id, "system", text), None
        case RealtimeConversationItemUserMessage():
            return _user_message(item_id, wire.content, input_format, param)
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


def decode_base64(data: str, param: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        message = f"Invalid '{param}': expected base64-encoded audio."
        raise Invalid("invalid_base64", message, param) from None


def _user_message(
    item_id: str, content: list[user.Content], input_format: AudioFormat, param: str
) -> tuple[Message, Pcm | None]:
    kinds = {part.type for part in content}
    if kinds == {"input_text"}:
        return Message(item_id, "user", "\n".join(part.text or "" for part in content)), None
    if kinds != {"input_audio"}:
        message = "A user's message is made of input_text or of one input_audio; images are not supported."
        raise Invalid("unsupported_content", message, f"{param}.content")
    if len(content) > 1:
        raise Invalid("unsupported_content", "A message has one input_audio.", f"{param}.content[1]")
    place = f"{param}.content[0].audio"
    if content[0].audio is None:
        if content[0].transcript is None:
            raise Invalid("missing_required_parameter", f"Missing required parameter: '{place}'.", place)
        return Message(item_id, "user", content[0].transcript, spoken=True), None
    try:
        pcm = decode_clip(input_format, decode_base64(content[0].audio, place))
    except Invalid:
        raise
    except ValueError as error:
        raise Invalid("invalid_audio", f"Invalid '{place}': {error}.", place) from None
    if not len(pcm):
        raise Invalid("invalid_audio", f"Invalid '{place}': it holds no audio.", place)
    return Message(item_id, "user", None, spoken=True), pcm


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
