"""What a decoder reads of a conversation; through a chat API, a history that a strict server accepts."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.conversation.context_sync import ItemUnits
from pipeline.conversation.history import Conversation, InvalidCallId
from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.conversation.rendering import STILL_RUNNING, as_units, cue_of_late_results
from pipeline.decoders.chat.chat_messages import chat_messages
from pipeline.decoders.decoder import Close, Open, Text, ToolCallUnit, ToolResultUnit
from pipeline.decoders.messages import joined
from pipeline.decoders.thought_formats import QWEN3
from pipeline.encoders.audio_units import Clip
from tests.support.strict_history import complaint


def user(text: str | None) -> Message:
    return Message(f"user {text}", "user", text)


def agent(text: str, stopgap: bool = False) -> Message:
    return Message(f"agent {text}", "assistant", text, stopgap=stopgap)


def call(call_id: str, answer: str = "r1", arguments: str = "{}", name: str = "clock") -> FunctionCall:
    return FunctionCall(f"item {call_id}", call_id, name, arguments, answer=answer)


def output(call_id: str, text: str = "") -> FunctionOutput:
    return FunctionOutput(f"out {call_id}", call_id, text or f"result {call_id}")


HISTORIES: dict[str, tuple[list[Item], str]] = {
    "a call and its result": ([user("Q"), call("1"), output("1")], "u:Q a:[1] t:1"),
    "two calls of one answer": ([user("Q"), call("1"), call("2"), output("1"), output("2")], "u:Q a:[1,2] t:1 t:2"),
    "results in another order": ([user("Q"), call("1"), call("2"), output("2"), output("1")], "u:Q a:[1,2] t:1 t:2"),
    "a result between the calls of one answer": ([call("1"), output("1"), call("2")], "a:[1,2] t:1 t:2?"),
    "calls of two answers": (
        [call("1"), output("1"), call("2", "r2"), output("2")],
        "a:[1] t:1 a:[2] t:2",
    ),
    "calls that a client wrote": (
        [call("1", ""), call("2", ""), output("1"), output("2"), call("3", ""), output("3")],
        "a:[1,2] t:1 t:2 a:[3] t:3",
    ),
    "no result yet": ([user("Q"), call("1")], "u:Q a:[1] t:1?"),
    "the person speaks while it runs": ([user("Q"), call("1"), user("R")], "u:Q a:[1] t:1? u:R"),
    "a late result": (
        [user("Q"), call("1"), user("R"), agent("S"), output("1")],
        "u:Q a:[1] t:1 u:R a:S",
    ),
    "a result before its call": ([output("1"), user("Q"), call("1")], "u:Q a:[1] t:1"),
    "a result whose call is gone": ([user("Q"), output("1")], "u:Q"),
    "words and calls of one answer": ([user("Q"), agent("S"), call("1"), output("1")], "u:Q a:S[1] t:1"),
    "stopgaps": (
        [user("Q"), agent("S"), call("1"), agent("T", stopgap=True), agent("U", stopgap=True), output("1")],
        "u:Q a:S T U[1] t:1",
    ),
    "a stopgap after other words": (
        [user("Q"), call("1"), user("R"), agent("S"), agent("T", stopgap=True)],
        "u:Q a:[1] t:1? u:R a:S a:T",
    ),
    "a message of which nothing was played": ([user("Q"), agent(""), call("1")], "u:Q a:[1] t:1?"),
    "a message without words yet": ([user("Q"), call("1"), user(None), call("2")], "u:Q a:[1,2] t:1? t:2?"),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_calls_and_results_stand_as_chat_apis_demand(name: str) -> None:
    items, wanted = HISTORIES[name]
    messages = chat_messages("Be brief.", [unit for group in as_units(items) for unit in group.units], QWEN3)
    assert " ".join(map(in_short, messages[1:])) == wanted
    assert complaint(messages) is None


def in_short(message: dict[str, object]) -> str:
    if message["role"] == "tool":
        number = message["tool_call_id"]
        assert message["content"] in (f"result {number}", STILL_RUNNING)
        return f"t:{number}{'?' if message['content'] == STILL_RUNNING else ''}"
    calls = message.get("tool_calls", [])
    assert isinstance(calls, list)
    return f"{str(message['role'])[0]}:{message['content']}" + (
        f"[{','.join(call['id'] for call in calls)}]" if calls else ""
    )


@pytest.mark.parametrize(
    ("name", "call_id", "arguments"),
    [("clock", "x" * 64, ""), ("the clock", "c/1", "{"), ("c" * 99, "c", "[1]"), ("", "c", "noon"), ("f", "c", "{}")],
)
def test_what_servers_refuse_for_ever_is_made_valid(name: str, call_id: str, arguments: str) -> None:
    items: list[Item] = [user("Q"), call(call_id, "", arguments, name), output(call_id)]
    messages = chat_messages("", [unit for group in as_units(items) for unit in group.units], QWEN3)
    assert complaint(messages) is None
    assert arguments in ("", "{}") or "invalid_json" in messages[2]["tool_calls"][0]["function"]["arguments"]


def test_calls_and_results_are_kept_or_dropped_together() -> None:
    assert as_units([user("Q"), agent("S"), call("1"), output("1")]) == [
        ItemUnits("user Q", (Open("user"), Text("Q"), Close("user"))),
        ItemUnits(
            "agent S",
            (
                *(Open("assistant"), Text("S"), ToolCallUnit("1", "clock", "{}"), Close("assistant")),
                *(Open("tool"), ToolResultUnit("1", "result 1"), Close("tool")),
            ),
        ),
    ]


def test_a_model_that_calls_in_plain_text_reads_its_words_and_calls_line_by_line() -> None:
    items: list[Item] = [user("Q"), agent("S"), call("1"), call("2", name="date")]
    messages = joined([unit for group in as_units(items) for unit in group.units])
    assert "".join(map(str, messages[1][1])) == (
        'S\n<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>'
        '\n<tool_call>\n{"name": "date", "arguments": {}}\n</tool_call>'
    )


def test_results_after_the_last_words_are_news() -> None:
    late: list[Item] = [user("Q"), call("1"), agent("S"), output("1", "noon")]
    assert "The result of clock is there now: noon" in cue_of_late_results(late)
    assert cue_of_late_results([*late, user("R")]) == ""
    assert cue_of_late_results([user("Q"), call("1"), agent("S")]) == ""
    assert "noon" in cue_of_late_results([*late, agent("T", stopgap=True)])


def test_sound_is_read_in_the_place_of_words() -> None:
    sound = Clip(np.zeros(1280, np.float32), closed=True)
    words = (Open("user"), Text("Hi."), Close("user"))
    heard = (Open("user"), sound, Close("user"))
    items: list[Item] = [
        Message("a", "user", "Hi.", spoken=True, audio_units=(sound,)),
        Message("b", "user", None, spoken=True, audio_units=(sound,)),
        Message("c", "user", "", spoken=True, audio_units=(sound,)),
    ]
    assert as_units(items) == [ItemUnits("a", heard, words), ItemUnits("b", heard)]


NAMES = st.sampled_from("abcd")
ITEMS = st.one_of(
    st.builds(user, st.sampled_from(["Q", "", None])),
    st.builds(agent, st.sampled_from(["S", ""]), st.booleans()),
    st.builds(call, NAMES, st.sampled_from(["", "r1", "r2"]), st.sampled_from(["{}", "", "["])),
    st.builds(output, NAMES),
)


@given(st.lists(ITEMS, max_size=12))
def test_any_conversation_is_rendered_as_a_history_that_servers_accept(items: list[Item]) -> None:
    conversation = Conversation(limit=8)
    for number, item in enumerate(items):
        item.id = str(number)
        with suppress(InvalidCallId):
            conversation.insert(item)
    groups = as_units(conversation)
    for kept in range(len(groups) + 1):
        units = [unit for group in groups[len(groups) - kept :] for unit in group.units]
        assert complaint(chat_messages("", units, QWEN3)) is None
    calls = {item.call_id for item in conversation if isinstance(item, FunctionCall)}
    outputs = {item.call_id for item in conversation if isinstance(item, FunctionOutput)}
    assert {call.call_id for call in conversation.unanswered} == calls - outputs
    read = [unit for group in groups for unit in group.units if isinstance(unit, ToolResultUnit)]
    assert {unit.call_id for unit in read if unit.output != STILL_RUNNING} == calls & outputs
