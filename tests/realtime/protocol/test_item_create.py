"""`conversation.item.create`: items that are added, and items that are refused."""

import base64

import pytest

from pipeline import commands as do
from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message
from realtime.protocol.session import Received
from tests.support.protocol_session import message, new_session, problem, send


@pytest.mark.parametrize(
    ("wire", "item"),
    [
        (
            message("user", {"type": "input_text", "text": "Hello."}, id="a"),
            Message("a", "user", "Hello."),
        ),
        (
            message("user", {"type": "input_text", "text": "One."}, {"type": "input_text", "text": "Two."}, id="a"),
            Message("a", "user", "One.\nTwo."),
        ),
        (
            message("user", {"type": "input_audio", "transcript": "Hello."}, id="a"),
            Message("a", "user", "Hello.", spoken=True),
        ),
        (message("system", {"type": "input_text", "text": "Rhyme."}, id="a"), Message("a", "system", "Rhyme.")),
        (
            message("assistant", {"type": "output_text", "text": "Hi."}, id="a", status="incomplete"),
            Message("a", "assistant", "Hi."),
        ),
        (
            message("assistant", {"type": "output_audio", "transcript": "Hi."}, id="a"),
            Message("a", "assistant", "Hi.", spoken=True),
        ),
        (
            {"type": "function_call", "id": "a", "call_id": "c", "name": "weather", "arguments": "{}"},
            FunctionCall("a", "c", "weather", "{}"),
        ),
        (
            {"type": "function_call_output", "id": "a", "call_id": "c", "output": "rain"},
            FunctionOutput("a", "c", "rain"),
        ),
    ],
)
def test_items_are_added(wire: dict[str, object], item: Item) -> None:
    received = send(new_session(), "conversation.item.create", item=wire, previous_item_id="root")
    assert received == Received((do.AddItem(item, "root", "mine"),))


def test_an_item_without_an_id_gets_one() -> None:
    [command] = send(
        new_session(), "conversation.item.create", item=message("user", {"type": "input_text", "text": "Hi."})
    ).commands
    assert isinstance(command, do.AddItem)
    assert command.item.id.startswith("item_")
    assert command.after is None


def test_a_spoken_message_brings_its_sound() -> None:
    audio = base64.b64encode(bytes(48_000)).decode()
    item = message("user", {"type": "input_audio", "audio": audio}, id="a")
    [command] = send(new_session(), "conversation.item.create", item=item).commands
    assert isinstance(command, do.AddItem)
    assert command.item == Message("a", "user", None, spoken=True)
    assert command.audio is not None
    assert len(command.audio) == 16_000


CONTENT = "item.content"


@pytest.mark.parametrize(
    ("wire", "code", "param"),
    [
        (message("user", {"type": "input_image", "image_url": "data:"}), "unsupported_content", CONTENT),
        (message("user"), "unsupported_content", CONTENT),
        (message("user", {"type": "text", "text": "x"}), "invalid_value", f"{CONTENT}[0].type"),
        (message("user", {"type": "input_audio"}), "missing_required_parameter", f"{CONTENT}[0].audio"),
        (message("user", {"type": "input_audio", "audio": "AAA"}), "invalid_base64", f"{CONTENT}[0].audio"),
        (message("user", {"type": "input_audio", "audio": "AAAA"}), "invalid_audio", f"{CONTENT}[0].audio"),
        (message("user", {"type": "input_audio", "audio": ""}), "invalid_audio", f"{CONTENT}[0].audio"),
        (
            message("user", {"type": "input_audio", "audio": ""}, {"type": "input_audio", "audio": ""}),
            "unsupported_content",
            f"{CONTENT}[1]",
        ),
        (
            message("assistant", {"type": "output_audio", "audio": "AAAA"}),
            "unsupported_content",
            f"{CONTENT}[0].audio",
        ),
        (message("assistant", {"text": "x"}), "missing_required_parameter", f"{CONTENT}[0]"),
        (message("robot"), "invalid_value", "item.role"),
        ({"type": "poem"}, "invalid_value", "item.type"),
        ({"type": "item_reference", "id": "x"}, "invalid_value", "item.type"),
        ({"type": "function_call_output", "output": "x"}, "missing_required_parameter", "item.call_id"),
        (
            {"type": "mcp_approval_response", "id": "x", "approval_request_id": "y", "approve": True},
            "unsupported_item",
            "item.type",
        ),
    ],
)
def test_items_that_we_can_not_take(wire: dict[str, object], code: str, param: str) -> None:
    assert problem(send(new_session(), "conversation.item.create", item=wire)) == (code, param)
