"""Prompts of the two streams of an answer: what each continues from. Pure."""

from pipeline.decoders.decoder import Open, Text, Thought, Unit
from tts.frontend.sentences import SENTENCE_BOUNDARY


def formulation(thoughts: str) -> list[Unit]:
    """The prompt of the thinking stream, following the conversation: its own thoughts so far."""
    return [Open("assistant"), Thought(thoughts)]


def articulation(thoughts: str, speech: str, ended: bool = False) -> list[Unit]:
    """The prompt of the speaking stream, following the conversation: the thoughts so far, closed, and its own speech.

    `ended`: whether the model itself ended the thoughts, so that the last one is complete even without a final mark.
    """
    return [Open("assistant"), Thought(thoughts if ended else whole_thoughts(thoughts)), Text(speech)]


def whole_thoughts(thoughts: str) -> str:
    """`thoughts` up to the end of the last complete sentence or line; all of them if there is none.

    A model would continue an incomplete thought aloud.
    """
    ends = [found.end() for found in SENTENCE_BOUNDARY.finditer(thoughts)]
    return thoughts[: ends[-1]].rstrip() if ends else thoughts
