import numpy as np
import pytest

from pipeline.conversation.history import ROOT, Conversation, DuplicateItem, InvalidCallId, UnknownItem
from pipeline.conversation.items import FunctionCall, FunctionOutput, Message
from pipeline.conversation.spoken_words import SpokenWord
from pipeline.encoders.audio_units import Clip


def said(item_id: str, text: str | None = "words") -> Message:
    return Message(item_id, "user", text)


def test_items_go_where_they_are_put() -> None:
    conversation = Conversation(limit=10)
    assert conversation.insert(said("a")) is None
    assert conversation.insert(said("b")) == "a"
    assert conversation.insert(said("c"), after="a") == "a"
    assert conversation.insert(said("d"), after=ROOT) is None
    assert [item.id for item in conversation] == ["d", "a", "c", "b"]


def test_a_wish_that_fails_changes_nothing() -> None:
    conversation = Conversation(limit=10)
    conversation.insert(said("a"))
    with pytest.raises(DuplicateItem):
        conversation.insert(said("a"))
    with pytest.raises(UnknownItem):
        conversation.insert(said("b"), after="nobody")
    with pytest.raises(UnknownItem):
        conversation.delete("nobody")
    assert [item.id for item in conversation] == ["a"]


def test_the_oldest_go_first() -> None:
    conversation = Conversation(limit=3)
    for item_id in "abcde":
        conversation.insert(said(item_id))
    assert [item.id for item in conversation] == ["c", "d", "e"]


def test_truncation_keeps_the_played_words_and_can_be_corrected() -> None:
    conversation = Conversation(limit=3)
    words = [SpokenWord("One", 0, 24_000), SpokenWord("two", 24_000, 48_000), SpokenWord("three.", 48_000, 72_000)]
    conversation.insert(Message("a", "assistant", "One two three.", spoken=True, words=words, rate=24_000))
    assert conversation.truncate("a", 1.5).text == "One"
    assert conversation.truncate("a", 2.0).text == "One two"


def test_only_spoken_answers_can_be_truncated() -> None:
    conversation = Conversation(limit=3)
    conversation.insert(said("a"))
    with pytest.raises(ValueError, match="not an answer that was spoken"):
        conversation.truncate("a", 1.0)


def test_the_newest_sound_is_kept() -> None:
    conversation = Conversation(limit=10)
    for item_id in "abcd":
        sound = Clip(np.zeros(12_800, np.float32), closed=True)
        conversation.insert(Message(item_id, "user", "Hi.", spoken=True, audio_units=(sound,)))
    conversation.keep_audio_units(2 * 13 + 5)
    assert [len(item.audio_units) for item in conversation if isinstance(item, Message)] == [0, 0, 1, 1]


def test_a_conversation_holds_so_much_text_and_forgets_the_oldest() -> None:
    conversation = Conversation(limit=100, max_characters=1_000)
    for number in range(60):
        conversation.insert(FunctionCall(f"c{number}", f"{number:04}", "x" * 100, "y" * 100))
    assert sum(item.characters for item in conversation) <= 1_000
    assert [item.id for item in conversation] == ["c56", "c57", "c58", "c59"]
    conversation.insert(Message("long", "user", "x" * 5_000))
    assert [item.id for item in conversation] == ["long"]


def test_a_call_has_one_output_and_an_id_of_its_own() -> None:
    conversation = Conversation(limit=10)
    with pytest.raises(InvalidCallId, match="'c1' not found"):
        conversation.insert(FunctionOutput("a", "c1", "noon"))
    conversation.insert(FunctionCall("b", "c1", "clock", "{}"))
    with pytest.raises(InvalidCallId, match="'c1' is in the conversation already"):
        conversation.insert(FunctionCall("c", "c1", "clock", "{}"))
    conversation.insert(FunctionOutput("d", "c1", "noon"))
    with pytest.raises(InvalidCallId, match="'c1' has an output already"):
        conversation.insert(FunctionOutput("e", "c1", "midnight"))
    assert [item.id for item in conversation] == ["b", "d"]
    conversation.delete("d")
    conversation.insert(FunctionOutput("e", "c1", "midnight"))
