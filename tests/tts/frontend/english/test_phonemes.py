"""Pronunciation of English in espeak's IPA."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts.frontend.english.phonemes import EnglishPhonemizer

phonemize = EnglishPhonemizer()

SOUNDS = {
    # from the lexicon, whose entries come from connected speech
    "hello": "həlˈoʊ",
    "I can do it": "aɪ kæn dˈuː ɪt",
    "yes I can": "jˈɛs aɪ kˈæn",
    "more": "mˈɔːɹ",
    "architecture": "ˈɑːɹkɪtˌɛktʃɚ",
    # connected speech
    "the sky": "ðə skˈaɪ",
    "the ocean": "ðɪ ˈoʊʃən",
    "to talk": "tə tˈɔːk",
    "to eat": "tʊ ˈiːt",
    "what to, then": "wˌʌt tˈuː, ðˈɛn",
    "number eight": "nˈʌmbɚɹ ˈeɪt",
    "number, eight": "nˈʌmbɚ, ˈeɪt",
    "it is": "ɪɾ ˈɪz",
    "a cat": "ɐ kˈæt",
    "vitamin A": "vˈaɪɾəmɪn ˈeɪ",
    # heteronyms
    "to record a record": "tə ɹᵻkˈɔːɹd ɐ ɹˈɛkɚd",
    "the use": "ðə jˈuːs",
    "they use it": "ðeɪ jˈuːz ɪt",
    "I have read": "aɪ hæv ɹˈɛd",
    "I read": "aɪ ɹˈiːd",
    # spelled out
    "FBI": "ˌɛfbˌiːˈaɪ",
    "U.S.": "jˌuːˈɛs",
    "GPUs": "dʒˌiːpˌiːjˈuːz",
    "COVID": "kˈoʊvɪd",
    "WHY": "wˌaɪ",
    "DON'T": "dˈoʊnt",
    "ChatGPT": "tʃˈætdʒˌiːpˌiːtˈiː",
    "OpenAI": "ˈoʊpənˌeɪˈaɪ",
    "mRNA": "ˈɛmˌɑːɹˌɛnˈeɪ",
    "NumPy": "nˈʌmpˈaɪ",
    "iPhone": "ˈaɪfoʊn",
    "the UK's": "ðə jˌuːkˈeɪz",
    "NASA": "nˈæsɐ",
    "STOP": "stˈɑːp",
    "NO": "nˈoʊ",
    "xkcd": "ˌɛkskˌeɪsˌiːdˈiː",
    # inflections and compounds that the lexicon lacks
    "chatbots": "tʃˈætbˌɑːts",
    "well-known": "wˈɛlnˈoʊn",
    "twenty-three": "twˈɛntiθɹˈiː",
    "superclass": "sˈuːpɚklˌæs",
    "don't": "dˈoʊnt",
    "John's": "dʒˈɑːnz",
    "café": "kˈæfeɪ",
    # marks
    "Paris, and": "pˈæɹɪs, ænd",
    "": "",
}


@pytest.mark.parametrize("text", SOUNDS)
def test_sounds_like(text: str) -> None:
    assert " ".join(phonemize(text.split(), "")) == SOUNDS[text]


@pytest.mark.parametrize("word", ["Voxtral", "Zelenskyy", "kubernetes", "zzyzx", "Łódź"])
def test_unknown_words_have_one_main_stress(word: str) -> None:
    (sounds,) = phonemize([word], ".")
    assert sounds.count("ˈ") == 1


def test_a_unit_of_several_words_keeps_its_place() -> None:
    assert phonemize(["costs", "five dollars,", "", "and"], ".") == ["kˈɔsts", "fˈaɪv dˈɑːlɚz,", "", "ænd"]


def test_may_be_called_from_several_threads() -> None:
    words = [f"blorb{letter}ix" for letter in "abcdefghijklm"]
    expected = EnglishPhonemizer()(words, ".")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: phonemize(words, "."), range(16))) == [expected] * 16


@given(st.lists(st.text(), max_size=8))
def test_any_words_have_sounds_that_a_voice_knows(words: list[str]) -> None:
    sounds = phonemize(words, ".")
    assert len(sounds) == len(words)
    assert all(re.fullmatch(r"[abdefhijklmnopstuvwxzæðŋɐɑɔəɚɛɜɡɪɹɾʃʊʌʒʔθᵻˈˌː̩̃ ,;:.?!]*", sound) for sound in sounds)
