"""The tokens of a Whisper model, and the words that they spell."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from pipeline.encoders.whisper.agreement import UNSPACED, Unit

_SPACE = "\u0120"
"""Stands for a space at the beginning of a token."""

_LATIN_MARKS = frozenset(".,;:!?")
_OTHER_MARKS = "。，、！？；：…"


class Vocabulary:
    """The vocabulary of the Whisper model in `folder`. Raises `ValueError` if the folder holds something else."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.end_of_text = self.id("<|endoftext|>")
        self.lower_case = self._lower_case()
        """Tokens that begin a word with a small letter without an accent."""
        self.marks = self._marks()
        """Tokens of nothing but marks that end a sentence or a clause."""
        self.no_speech: int = self._tokenizer.token_to_id("<|nospeech|>") or self.id("<|nocaptions|>")

    def id(self, name: str) -> int:
        """The number of the token called `name`, such as "<|endoftext|>". Raises `ValueError` for an unknown name."""
        found = self._tokenizer.token_to_id(name)
        if found is None:
            raise ValueError(f"the tokenizer has no {name}: is this a Whisper model?")
        return int(found)

    def task(self, language: str) -> list[int]:
        """The tokens that ask for a transcript in a `language`, as "<|en|>"; "" for a model that knows English only."""
        named = ("<|startoftranscript|>", *((language, "<|transcribe|>") if language else ()))
        return [self.id(token) for token in named]

    def tokens(self, text: str) -> list[int]:
        """The tokens of `text` as it follows other words."""
        return list(self._tokenizer.encode(f" {text}", add_special_tokens=False).ids)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`."""
        return str(self._tokenizer.decode(list(tokens)))

    def capitalized(self, tokens: Sequence[int]) -> list[int]:
        """The first word of `tokens`, with a capital letter."""
        word = self.text(tokens).split(maxsplit=1)[0]
        return self.tokens(word[:1].upper() + word[1:])

    def units(self, tokens: Sequence[int], language: str) -> list[Unit]:
        """Group tokens into words."""
        units: list[Unit] = []
        for token in tokens:
            if language in UNSPACED:
                begins = not units or "\ufffd" not in self.text(units[-1])
            else:
                begins = not units or self.text([token]).startswith(" ")
            if begins:
                units.append((token,))
            else:
                units[-1] += (token,)
        return units

    def _lower_case(self) -> frozenset[int]:
        spelled = self._tokenizer.get_vocab().items()
        return frozenset(token for text, token in spelled if "a" <= text.removeprefix(_SPACE)[:1] <= "z")

    def _marks(self) -> frozenset[int]:
        spelled = self._tokenizer.get_vocab().items()
        latin = {token for text, token in spelled if set(text) <= _LATIN_MARKS}
        others = (self._tokenizer.encode(mark, add_special_tokens=False).ids for mark in _OTHER_MARKS)
        return frozenset(latin.union(*(ids for ids in others if len(ids) == 1)))
