"""The three filters of modality-grounded reasoning distillation: a trace is kept if it passes all of them.

Source: Step-Audio-R1 (https://arxiv.org/abs/2511.15848): grounded in acoustic evidence, coherent and concise, right.
"""

import re

from training.reasoning.answers import WrittenAnswer, is_right, plain_words

FEWEST_WORDS = 6
"""Words of a thought that says more than its conclusion."""
MOST_WORDS = 80
"""Words of a thought about a recording of a few seconds; longer ones wander."""
_NGRAM = 5
"""Words in a row that a coherent thought does not write twice."""

_PROPERTIES = (
    r"pitch|tones?|tonal|intonation|melody|contour|voices?|speech|speakers?|timbre|formants?|harmonics?|accent|breath\w*",
    r"loud(?:er|ness)?|quiet(?:er|ly)?|soft(?:er|ly)?|volume|level|energy|amplitude|decibels?|stress(?:ed)?|emphasis",
    r"db|hz|hertz|frequenc(?:y|ies)|spectrum|rising|falling|rises|falls|sounds?|background|echo|reverb\w*|click",
    r"tempo|pace|rate|fast(?:er)?|slow(?:er|ly)?|syllables?|rhythm|pauses?|silen(?:ce|t)|gaps?",
    r"seconds|(?:a|one|per|first|last) second|nois[ey]|noise|hiss|hum|rumble|beeps?",
)
_EVIDENCE = re.compile(rf"\b(?:{'|'.join(_PROPERTIES)})\b")
"""Words for properties that sound has and a transcript has not."""
_WORDS = "text|words?|sentence|wording|content"
_MEANS = "says?|said|suggests?|implies|mentions?|means?|describes?|tells?|indicates?"
_SURROGATE = re.compile(
    r"\b(?:transcripts?|transcriptions?|transcribed|captions?|subtitles?|written|reads?|lyrics|spelled)\b"
    rf"|\bthe (?:{_WORDS})\b[^.]*\b(?:{_MEANS})\b"
    rf"|\b(?:based on|according to|judging by|from) (?:the|its|what the) (?:{_WORDS}|topic)\b"
    r"|\b(?:can't|cannot|can not|unable to|not able to) (?:actually )?(?:hear|listen|process|access|perceive)\b"
    r"|\b(?:no|without) (?:access to )?(?:the )?(?:audio|sound|recording)\b"
)
"""Reasoning about the text instead of the sound: textual surrogate reasoning."""
_CONCLUDES = re.compile(
    r"(?:^|[.:,;!?]\s+)(?:so|thus|hence|therefore|that makes|i conclude|the answer is)\b(.*?)(?:[.!?]|$)"
)
_ENDS = re.compile(r"[.!?][\"')]*$")


def is_grounded(thought: str) -> bool:
    """Whether the thought refers to acoustic evidence, and not to a transcript."""
    text = thought.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return bool(_EVIDENCE.search(text)) and not _SURROGATE.search(text)


def is_coherent(answer: WrittenAnswer, choices: tuple[str, ...]) -> bool:
    """Whether the thought is closed, complete, concise, free of repetition, and concludes what the answer says."""
    words = plain_words(answer.thought)
    if not answer.closed or not answer.words or not FEWEST_WORDS <= len(words) <= MOST_WORDS:
        return False
    if not _ENDS.search(answer.thought) or _repeats(words):
        return False
    conclusions = _CONCLUDES.findall(answer.thought.lower())
    concluded = _last_named(conclusions[-1], choices) if conclusions else None
    return concluded is None or concluded == _last_named(answer.words, choices)


def keeps(text: str, answer: str, choices: tuple[str, ...]) -> bool:
    """Whether the trace `text` is worth learning from: grounded, coherent and right."""
    written = WrittenAnswer.read(text)
    return is_grounded(written.thought) and is_coherent(written, choices) and is_right(written.words, answer, choices)


def _repeats(words: list[str]) -> bool:
    runs = [tuple(words[start : start + _NGRAM]) for start in range(len(words) - _NGRAM + 1)]
    return len(set(runs)) < len(runs)


def _last_named(text: str, choices: tuple[str, ...]) -> str | None:
    """The choice that `text` names last; None if it names none."""
    said = f" {' '.join(plain_words(text))} "
    ends = {choice: said.rfind(f" {' '.join(plain_words(choice))} ") for choice in choices}
    last = max(ends, key=lambda choice: ends[choice], default=None)
    return last if last is not None and ends[last] >= 0 else None
