"""What the agent knows in each pause of recorded turns, and when it takes the pause for the end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from audio.pcm import INPUT_RATE, Pcm
from bench.turn_ends.dataset import Turn
from pipeline.decoders.decoder import Close, Context, Open, Text, Unit
from pipeline.engine import Engine
from pipeline.listening.completeness import Evidence
from pipeline.listening.endpointing import LOOKS_S, open_words
from pipeline.listening.utterance import Utterance

SHORTEST_S = 0.1
"""Silences shorter than this are no pauses, as in eot-bench."""
_TRANSCRIBED_S = 0.1
"""Silence after which the words are transcribed."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One silence of a turn, and what is known in it at each look."""

    turn: str
    seconds: float
    """How long it lasts; the last one of a turn has no end."""
    is_end: bool
    looks: tuple[Evidence, ...]
    """At the times of `LOOKS_S` that it lasts for; at least the first."""


async def replay(
    turns: Iterable[Turn], engine: Engine, instructions: str, progress: Callable[[str], None] = lambda line: None
) -> list[Pause]:
    """Listen to every turn as the agent does: transcribe at each pause, ask the decoder, and listen to the sound."""
    context = engine.decoder.open(instructions)
    pauses: list[Pause] = []
    try:
        for turn in turns:
            progress(turn.id)
            pauses += await _pauses(turn, engine, context)
    finally:
        await context.close()
    return pauses


async def _pauses(turn: Turn, engine: Engine, context: Context) -> list[Pause]:
    opinion, pauses = engine.second_opinion, []
    utterance, pushed = Utterance(turn.id, engine.encoder.open(), engine.workers, reopen=engine.encoder.open), 0
    for number, (start, end) in enumerate(turn.silences):
        is_end = number == len(turn.silences) - 1
        if end - start < SHORTEST_S and not is_end:
            continue
        until = round((start + _TRANSCRIBED_S) * INPUT_RATE)
        utterance.add(_heard(turn.pcm, until)[pushed:])
        pushed = until
        words = (await utterance.finish()).text
        by_words = await _asked(context, turn.asked, words)
        looks = [
            Evidence(
                words,
                turn.asked,
                by_words,
                opinion.probability(_heard(turn.pcm, round((start + look_s) * INPUT_RATE))) if opinion else None,
                look_s,
            )
            for look_s in LOOKS_S
            if is_end or look_s == LOOKS_S[0] or look_s < end - start
        ]
        pauses.append(Pause(turn.id, end - start, is_end, tuple(looks)))
    return pauses


def _heard(pcm: Pcm, samples: int) -> Pcm:
    """The first `samples` of a turn; where its recording ends before, its last tenth of a second continues."""
    if samples <= len(pcm):
        return pcm[:samples]
    return np.concatenate((pcm, np.resize(pcm[-INPUT_RATE // 10 :], samples - len(pcm))))


async def _asked(context: Context, asked: str, words: str) -> float | None:
    """The decoder's probability that the user is done after `words`."""
    start = context.mark()
    before: list[Unit] = [Open("assistant"), Text(asked), Close("assistant")] if asked else []
    await context.append([*before, Open("user"), Text(open_words(words))])
    probability = await context.end_of_turn_probability()
    context.rewind(start)
    return probability
