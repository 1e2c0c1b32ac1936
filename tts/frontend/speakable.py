"""Tells why an answer has no audio: not every text that a model writes can be spoken."""

import unicodedata
from collections.abc import Iterable
from enum import Enum

from tts.synthesizer import Clause


class Unspeakable(Enum):
    """Why nothing of a text can be spoken; `sentence` is what an agent can say instead of it."""

    CODE = "That is code, which I can only show in writing."
    OTHER_SCRIPT = "Sorry, I can only speak English, so I have put that in writing."
    SYMBOLS = "I have only a sign for that, which I cannot say."

    @property
    def sentence(self) -> str:
        """An English sentence that explains to the user what the text was."""
        return self.value


def unspeakable(clauses: Iterable[Clause]) -> Unspeakable | None:
    """Why an English voice can say nothing of `clauses`, all those of an answer; None if it can or `clauses` is empty.

    Text in another script has a spoken form but no English sounds, code has letters but no spoken form, and emoji have
    neither.
    """
    reason: Unspeakable | None = None
    for word in (word for clause in clauses for word in clause.words):
        if any(map(_is_sounded, word.spoken)):
            return None
        if any(map(str.isalnum, word.spoken)):
            reason = Unspeakable.OTHER_SCRIPT
        elif any(map(str.isalnum, word.written)):
            reason = reason or Unspeakable.CODE
        elif reason is None:
            reason = Unspeakable.SYMBOLS
    return reason


def _is_sounded(character: str) -> bool:
    """Whether an English voice has a sound for `character`: Latin letters, with or without accents."""
    return any("a" <= part.lower() <= "z" for part in unicodedata.normalize("NFKD", character))
