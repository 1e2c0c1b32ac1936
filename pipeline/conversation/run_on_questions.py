"""A question in the same breath as what it is about, which recognizers join by a comma, gets its own sentence. Pure.

"Thomas is taller than Susan, and Susan is taller than Peter, who is the tallest?" is read as a word about Peter.
"""

import re

_WH = r"who|what|which|where|when|how"
_RUN_ON = re.compile(rf"(?P<said>.*\w), (?P<asked>(?:{_WH})\b[^,.?!]*\?)\s*", re.IGNORECASE | re.DOTALL)
_STATES_NOTHING = re.compile(
    r"(?:(?:and|so|but|okay|well|then|now),? )?(?:"
    rf"{_WH}|why|whose|is|are|am|was|were|do|does|did|can|could|will|would|should|shall|may|have|has|had|you|your)\b",
    re.IGNORECASE,
)
"""How a sentence begins that asks, or that a tag question may end: what follows its comma belongs to it."""
_LEAST_WORDS = 5
"""Words of what a question can be about; a name before a comma is not."""


def with_question_apart(text: str) -> str:
    """`text`, in which a question after the last comma becomes a sentence of its own."""
    found = _RUN_ON.fullmatch(text)
    if found is None:
        return text
    said, asked = found["said"], found["asked"]
    last = re.split(r"(?<=[.!?])\s+", said)[-1]
    if len(last.split()) < _LEAST_WORDS or _STATES_NOTHING.match(last):
        return text
    return f"{said}. {asked[0].upper()}{asked[1:]}"
