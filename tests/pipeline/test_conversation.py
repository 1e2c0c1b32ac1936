import numpy as np
import pytest

from pipeline.conversation import ROOT, Conversation, DuplicateItem, UnknownItem, as_units
from pipeline.decoders.decoder import Called, Close, Open, Returned, Text
from pipeline.embeddings import Clip
from pipeline.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.playout import SpokenWord
from pipeline.prompt import Group


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
    words = [SpokenWord("One", 24_000), SpokenWord("two", 48_000), SpokenWord("three.", 72_000)]
    conversation.insert(Message("a", "assistant", "One two three.", spoken=True, words=words, rate=24_000))
    assert conversation.truncate("a", 1.5).text == "One"
    assert conversation.truncate("a", 2.0).text == "One two"


def test_only_spoken_answers_can_be_truncated() -> None:
    conversation = Conversation(limit=3)
    conversation.insert(said("a"))
    with pytest.raises(ValueError, match="no answer that was spoken"):
        conversation.truncate("a", 1.0)


def test_the_decoder_reads_what_has_words() -> None:
    items: list[Item] = [
        said("a", "Hi."),
        said("b", None),
        Message("c", "assistant", "", spoken=True),
        FunctionCall("d", "call", "clock", "{}"),
        FunctionOutput("e", "call", "noon"),
    ]
    assert as_units(items) == [
        Group("a", (Open("user"), Text("Hi."), Close("user"))),
        Group("d", (Open("assistant"), Called("call", "clock", "{}"), Close("assistant"))),
        Group("e", (Open("tool"), Returned("call", "noon"), Close("tool"))),
    ]


def test_sound_is_read_in_the_place_of_words() -> None:
    sound = Clip(np.zeros(1280, np.float32), closed=True)
    words = (Open("user"), Text("Hi."), Close("user"))
    heard = (Open("user"), sound, Close("user"))
    items: list[Item] = [
        Message("a", "user", "Hi.", spoken=True, sound=(sound,)),
        Message("b", "user", None, spoken=True, sound=(sound,)),
        Message("c", "user", "", spoken=True, sound=(sound,)),
    ]
    assert as_units(items) == [Group("a", heard, words), Group("b", heard)]


def test_the_newest_sound_is_kept() -> None:
    conversation = Conversation(limit=10)
    for item_id in "abcd":
        sound = Clip(np.zeros(12_800, np.float32), closed=True)
        conversation.insert(Message(item_id, "user", "Hi.", spoken=True, sound=(sound,)))
    conversation.keep_sound(2 * 13 + 5)
    assert [len(item.sound) for item in conversation if isinstance(item, Message)] == [0, 0, 1, 1]
