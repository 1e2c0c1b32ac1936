"""Answers of which an English voice can say nothing."""

import pytest

from tts.frontend.clauses import clauses_of
from tts.frontend.english.phonemes import EnglishPhonemizer
from tts.frontend.speakable import Unspeakable, unspeakable

REASONS = {
    "Привет, как дела?": Unspeakable.OTHER_SCRIPT,
    "你好，世界。": Unspeakable.OTHER_SCRIPT,
    "こんにちは": Unspeakable.OTHER_SCRIPT,
    "안녕하세요!": Unspeakable.OTHER_SCRIPT,
    "مرحبا بك": Unspeakable.OTHER_SCRIPT,
    "שלום 😀": Unspeakable.OTHER_SCRIPT,
    "नमस्ते": Unspeakable.OTHER_SCRIPT,
    "```python\nprint(1)\n```": Unspeakable.CODE,
    "~~~\nrm -rf /\n~~~\n😀": Unspeakable.CODE,
    "😀": Unspeakable.SYMBOLS,
    "👍🏽 🎉\n\n❤️": Unspeakable.SYMBOLS,
    "...": Unspeakable.SYMBOLS,
    "Hello 😀": None,
    "42": None,
    "Zoë": None,
    "Say Привет to them.": None,
    "Here:\n```\nx\n```": None,
    "你好 means hello.": None,
    "": None,
    " \n": None,
}


@pytest.mark.parametrize("text", REASONS)
def test_the_reason_is_reported(text: str) -> None:
    assert unspeakable(clauses_of(text)) is REASONS[text]


@pytest.mark.parametrize("text", REASONS)
def test_it_agrees_with_what_has_sounds(text: str) -> None:
    clauses = clauses_of(text)
    phonemize = EnglishPhonemizer()
    sounds = "".join(sound for c in clauses for sound in phonemize([word.spoken for word in c.words], c.stop))
    assert any(map(str.isalpha, sounds)) == (bool(clauses) and unspeakable(clauses) is None)


@pytest.mark.parametrize("reason", Unspeakable)
def test_the_sentence_that_is_said_instead_can_be_spoken(reason: Unspeakable) -> None:
    assert unspeakable(clauses_of(reason.sentence)) is None
