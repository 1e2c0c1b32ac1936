"""Signs that a recognizer made up what it wrote: by measures of the output, never by a list of phrases."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

MAX_COMPRESSION = 2.4
"""Whisper's own bound: text that packs better than this repeats itself."""
MIN_LOGPROB = -1.0
"""Whisper's own bound on the mean log-probability of a token."""
MAX_NO_SPEECH = 0.6
"""Whisper's own bound on the probability that nobody speaks. Of 68 sentences, clean or in noise down to 10 dB,
tiny.en put none above 0.5; of noises, hums, clicks and coughs none below 0.7."""
CONFIDENT_LOGPROB = -0.25
"""Words as sure as this were spoken, whatever the no-speech probability: Whisper does not trust it alone either."""
MAX_REPEATED = 3
"""Words that may be said again right away ("no, no, no, no") before it looks like a loop."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the decoder wrote for one window, and how sure it was."""

    tokens: tuple[int, ...]
    text: str
    logprob: float
    """Mean over the tokens, natural logarithm."""
    no_speech: float
    """Probability that the window holds no speech."""
    unfinished: bool
    """Cut off because there were more tokens than anybody can say in that time."""


def silent(hypothesis: Hypothesis) -> bool:
    """Whether nobody spoke."""
    if not hypothesis.text.strip():
        return True
    return hypothesis.no_speech > MAX_NO_SPEECH and hypothesis.logprob < CONFIDENT_LOGPROB


def looping(hypothesis: Hypothesis) -> bool:
    """Whether the decoder seems to repeat itself; a person may have done so, too."""
    return runaway(hypothesis) or len(said_again(plain_words(hypothesis.text))) > MAX_REPEATED


def runaway(hypothesis: Hypothesis) -> bool:
    """Whether the decoder repeats itself as no person does."""
    return hypothesis.unfinished or compression(hypothesis.text) > MAX_COMPRESSION


def doubtful(hypothesis: Hypothesis) -> bool:
    """Whether the window deserves a second, dearer look."""
    return silent(hypothesis) or looping(hypothesis) or hypothesis.logprob < MIN_LOGPROB


def compression(text: str) -> float:
    """How many times smaller zlib makes the text."""
    plain = text.encode()
    return len(plain) / len(zlib.compress(plain))


def said_again(words: Sequence[str]) -> range:
    """Which words, as `plain` has them, are the longest run that only says again, right away, what was just said."""
    longest = range(0)
    for period in range(1, len(words) // 2 + 1):
        run = 0
        for at, (earlier, later) in enumerate(zip(words, words[period:], strict=False), period + 1):
            run = run + 1 if earlier == later else 0
            # A run shorter than its period is no repetition yet: "a kilo of feathers or a kilo of iron".
            if run >= max(period, len(longest) + 1):
                longest = range(at - run, at)
    return longest


def plain_words(text: str) -> list[str]:
    """The words without their case and punctuation."""
    return [plain(word) for word in text.split()]


def plain(word: str) -> str:
    return "".join(filter(str.isalnum, word.lower()))
