"""Whether words ask for something that has to be worked out, and not only remembered. Pure."""

import re

from pipeline.thinking.repetition_guard import NUMBER_WORDS

_LAST_CHARACTERS = 1000
"""What is looked at of a long text: spoken questions are shorter."""
_WORDS = "|".join(sorted({*NUMBER_WORDS, "million"}))
_NUMBER = re.compile(rf"[\d,.]*\d[\d,.]*|(?:\b(?:{_WORDS})\b(?:[ -]and)?[ -]?)+", re.IGNORECASE)
"""A number in digits or words."""
_SHARE = re.compile(
    r"\b(?:half|halves|third|quarter|double|twice|dozen|percent|each|per|every|apiece)\b", re.IGNORECASE
)
"""Words that relate one amount to another."""
_AMOUNT = re.compile(
    r"\bhow (?:many|much|old|far|long|fast|often|tall|high|heavy|late)\b|\b(?:what|which|when|total|altogether|left)\b",
    re.IGNORECASE,
)
"""What an amount is asked with."""
_SUM = re.compile(
    r"\s*(?:(?:and|so|okay|well|now|please|tell me|what is|what's|how much is|calculate)[, ]+)*"
    rf"(?:{_NUMBER.pattern}|half)\W*(?:plus|minus|times|and|of|over|(?:divided|multiplied) by|[-+*/x×÷])\W*"
    rf"(?:{_NUMBER.pattern})"
    r"\W*(?:equals?|make|is)?\W*",
    re.IGNORECASE,
)
"""Two numbers and what to do with them: small models know such sums by heart."""
_COMPARED = re.compile(r"\b(?:than|before|after|behind|ahead of|next to|left of|right of|above|below)\b", re.IGNORECASE)
_GENERAL = re.compile(r"\b(?:all|every|each|no|some|none|never|always|unless|if)\b", re.IGNORECASE)
"""Words with which rules are stated."""
_RELATIVE_DAY = re.compile(
    r"\bday (?:after tomorrow|before yesterday)\b"
    r"|\b(?:days|weeks|months|years|hours|minutes) (?:from|after|before|later|ago)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"(?:and |so |then |now )?(?:in |at |on |to |for )?"
    r"(?:who|whom|whose|what|which|where|when|how|is|are|am|was|were|do|does|did|can|could|must|has|have|will|would)\b",
    re.IGNORECASE,
)

_HELPERS = frozenset(("would", "could", "should", "might", "about", "there", "where", "which", "whether", "always"))


def has_to_be_worked_out(text: str) -> bool:
    """Whether `text` combines amounts, or asks what follows from premises that it states. By English words."""
    text = text[-_LAST_CHARACTERS:]
    numbers = len(_NUMBER.findall(text))
    if _SUM.fullmatch(text):
        return False
    amounts = numbers + len(_SHARE.findall(text))
    if numbers and amounts > 1 and _AMOUNT.search(text):
        return True
    premises, question = _parted(text)
    if not premises or not _ASKS.match(question):
        return False
    compared = len(_COMPARED.findall(premises)) > 1
    ruled = _GENERAL.search(premises) is not None and bool(_subjects(premises) & _subjects(question))
    return compared or ruled or numbers > 1 or _RELATIVE_DAY.search(question) is not None


def _parted(text: str) -> tuple[str, str]:
    """The premises and the question: of what sentences and commas part, the last that asks, and all before it."""
    parts = re.split(r"(?<=[.!?;,])\s+", text.strip())
    asks = max((at for at, part in enumerate(parts) if _ASKS.match(part)), default=len(parts) - 1)
    return " ".join(parts[:asks]), parts[asks]


def _subjects(text: str) -> set[str]:
    """Names and longer words, in the singular: what a statement and a question about it share."""
    words = re.findall(r"[A-Z]\w{2,}|\w{5,}", text)
    return {word.lower().removesuffix("s") for word in words} - _HELPERS
