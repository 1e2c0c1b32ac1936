"""Detects hallucinations of a recognizer by measures of its output, never by a list of phrases."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

MAX_COMPRESSION = 2.4
"""Whisper's own limit on the compression ratio: text that compresses better repeats itself."""
MIN_LOGPROB = -1.0
"""Whisper's own limit on the mean log-probability of a token, natural logarithm."""
MAX_NO_SPEECH = 0.6
"""Whisper's own limit on the no-speech probability. tiny.en put none of 68 sentences, clean or in noise down to 10 dB,
above 0.5, and none of the noises, hums, clicks and coughs below 0.7."""
UNCLEAR_NO_SPEECH = 0.5
"""No-speech probability below which somebody speaks, even where no words are found: see `MAX_NO_SPEECH`."""
UNCLEAR_LOGPROB = -0.95
"""Mean log-probability of a token below which the words of a window that was padded to 30 s are invented. Of nine
sentences in five languages that tiny.en was not taught, in three noises each, all were written at less, and of eight
English ones none in white noise of 10 and 0 dB, where the worst had -0.7."""
UNCLEAR_FRAMES = 150
"""Log-mel frames from which that is enough: of a single word the recognizer is no surer."""
UNCLEAR_WORDS = 3
"""Words of a shorter window that are invented if both encodings doubt them and they differ. Of 486 short English ones,
in six voices, clean and in white noise of 10 and 0 dB, four are found unclear; none of them was written rightly."""
DIFFERING_LOGPROB = -0.6
"""Mean log-probability of a token below which the words of a padded window are invented where the unpadded one is heard
otherwise."""
ALIKE = 0.6
"""Share of the words of both windows that they have in common, in order, up to which they are heard otherwise. A
German and a Spanish sentence, in twelve noises each, in int8 and in float32, are found unclear 28 times of 48 without
this rule, and each time with it. Of 360 English ones in white noise of 10, 5 and 0 dB, it finds 4 more, none of which
was written rightly."""
UNSURE_LOGPROB = -0.6
"""Mean log-probability of a token of the unpadded window, below which the padded one is asked."""
AGREED_LOGPROB = -0.7
"""Mean log-probability of a token from which a hypothesis counts for others: close passes agree on what they invent,
too."""
CONFIDENT_LOGPROB = -0.25
"""Mean log-probability from which words count as spoken whatever the no-speech probability, as in Whisper."""
_LAST_CHARACTERS = 60
"""Of a transcript, that hold its last words."""
MAX_REPEATED = 3
"""Words that may be repeated at once ("no, no, no, no") before the repetition counts as a loop."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The transcript of one window, with measures of its certainty."""

    tokens: tuple[int, ...]
    text: str
    logprob: float
    """Mean over the tokens, natural logarithm."""
    no_speech: float
    """Probability that the window holds no speech."""
    unfinished: bool
    """Whether it was cut off at more tokens than a person can say in that time."""


def silent(hypothesis: Hypothesis) -> bool:
    """Whether the window holds no speech."""
    if not hypothesis.text.strip():
        return True
    return hypothesis.no_speech > MAX_NO_SPEECH and hypothesis.logprob < CONFIDENT_LOGPROB


def unsure(first: Hypothesis, frames: int) -> bool:
    """Whether the padded window, of so many log-mel `frames` before the padding, might be found unclear."""
    return frames >= UNCLEAR_FRAMES and first.logprob < UNSURE_LOGPROB


def unclear(first: Hypothesis, padded: Hypothesis, frames: int) -> bool:
    """Whether somebody speaks of whom no word is believed, as in a language that the model was not taught.

    `first` transcribes the unpadded window, of so many log-mel `frames`.
    """
    if padded.no_speech >= UNCLEAR_NO_SPEECH:
        return False
    if frames >= UNCLEAR_FRAMES:
        doubted = padded.logprob < DIFFERING_LOGPROB or looping(padded)
        return padded.logprob < UNCLEAR_LOGPROB or (doubted and _alike(padded.text, first.text) <= ALIKE)
    words, first_words = plain_words(padded.text), plain_words(first.text)
    both_doubted = max(first.logprob, padded.logprob) < UNCLEAR_LOGPROB
    return both_doubted and words != first_words and len(words) >= UNCLEAR_WORDS


def _alike(one: str, other: str) -> float:
    """Share of the words and digits that the texts have in common, in order, however these are joined."""
    words, others = (re.findall(r"\d|[^\W\d]+", text.lower()) for text in (one, other))
    return SequenceMatcher(None, words, others, autojunk=False).ratio()


def looping(hypothesis: Hypothesis, before: str = "") -> bool:
    """Whether the transcript repeats itself, which may also be what the person said.

    `before` is what was said up to the window: a sentence whose first words it has is said again, too.
    """
    last = before[-_LAST_CHARACTERS:]
    words = [*plain_words(last)[-MAX_REPEATED:], *plain_words(hypothesis.text)]
    return runaway(hypothesis) or len(said_again(words)) > MAX_REPEATED


def runaway(hypothesis: Hypothesis) -> bool:
    """Whether the transcript repeats itself as no person does."""
    return hypothesis.unfinished or compression(hypothesis.text) > MAX_COMPRESSION


def doubtful(hypothesis: Hypothesis, before: str = "") -> bool:
    """Whether the window, which follows what was said `before`, needs a second, more expensive pass."""
    return silent(hypothesis) or looping(hypothesis, before) or hypothesis.logprob < MIN_LOGPROB


def compression(text: str) -> float:
    """Compression ratio of the text with zlib."""
    plain = text.encode()
    return len(plain) / len(zlib.compress(plain))


def said_again(words: Sequence[str]) -> range:
    """Indices of the longest run of plain `words` that only repeats the words before it."""
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
    """The words of `text` in lower case, without punctuation."""
    return [plain(word) for word in text.split()]


def plain(word: str) -> str:
    """`word` in lower case, without punctuation."""
    return "".join(filter(str.isalnum, word.lower()))
