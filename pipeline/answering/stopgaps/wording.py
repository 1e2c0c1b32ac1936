"""What is said of a tool that runs, and the words with which a person gives up waiting for it. Pure."""

import re
from collections.abc import Iterable

from pipeline.settings import StopgapSettings

_LOOKS_UP = re.compile(
    r"get|find|search|look|lookup|check|fetch|list|query|read|show|tell|track|weather|forecast|time|clock|date|status"
    r"|info\w*|current|price|balance|what|when|where|who",
    re.IGNORECASE,
)
"""Words in the name of a tool that looks something up."""
_ACTS = re.compile(
    r"add|book|buy|call|cancel|change|close|create|delete|move|open|order|pay|play|remove|reserve|save|schedule|send|set"
    r"|start|stop|submit|transfer|turn|update|write",
    re.IGNORECASE,
)
"""Words with which the name of a tool begins that does something."""

_GIVES_UP = re.compile(
    r"\bnever ?mind\b|\bforget (it|that|about it|about that)\b|\b(don't|do not) bother\b|\bno longer (need|want)\b"
    r"|\b(don't|do not) (need|want) (it|that) any ?more\b|\bno need\b|\bdoesn't matter\b|\bskip (it|that)\b",
    re.IGNORECASE,
)
_STOPS = re.compile(
    r"((no|oh|um|uh|hm+|okay|ok|please|actually|wait|just) )*(cancel|stop|abort)"
    r"( (it|that|this|looking|searching))?( please)?",
    re.IGNORECASE,
)
_MOST_WORDS = 10
"""Words of an utterance that gives up waiting; longer ones tell a story in which such words occur."""


def acknowledgement(tools: Iterable[str], settings: StopgapSettings) -> str:
    """What fits while the tools of these names run."""
    return settings.looking_up if all(map(_looks_up, tools)) else settings.acting


def gives_up(text: str) -> bool:
    """Whether `text` says that what was asked for is not wanted any more: "Never mind.", "Okay, cancel that." """
    words = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split()
    if len(words) > _MOST_WORDS:
        return False
    bare = " ".join(re.sub(r"[^\w' ]", "", word) for word in words).strip()
    return _GIVES_UP.search(bare) is not None or _STOPS.fullmatch(bare) is not None


def _looks_up(name: str) -> bool:
    """Whether the tool of this name only looks something up."""
    words = _words(name)
    return any(map(_LOOKS_UP.fullmatch, words)) and not _ACTS.fullmatch(words[0])


def _words(name: str) -> list[str]:
    """The words of a function's name: get_weather, getWeather."""
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
