"""How long a silence must be to end a turn: by the clock, or by how complete the words before it are. Pure."""

import math
import re

from pipeline.audio import INPUT_RATE
from pipeline.commands import SemanticVad, ServerVad, TurnDetection
from pipeline.settings import TurnSettings
from pipeline.turn import Thresholds

_FILLED_PAUSE = re.compile(r"\b(?:u+m+|u+h+|e+r+m*|h+m+)\W*$", re.IGNORECASE)
"""A person who says "um" goes on."""
_DICTATED = re.compile(r"\b(?:number|code|pin|zip|card|account|password)\b.*\d\W*$", re.IGNORECASE | re.DOTALL)
"""Digits are dictated in groups, with pauses between them."""


def thresholds(settings: TurnSettings, detection: TurnDetection) -> Thresholds:
    """What turn taking goes by. A semantic turn that nothing more is known of has its longest wait."""
    threshold, silence_s, idle_s, interrupts = settings.threshold, settings.silence_s, None, True
    match detection:
        case ServerVad():
            threshold, silence_s, idle_s = detection.threshold, detection.silence_s, detection.idle_timeout_s
            interrupts = detection.interrupt_response
        case SemanticVad():
            interrupts = detection.interrupt_response
            silence_s = settings.incomplete_s * _factor(settings, detection)
    return Thresholds(
        speech=threshold,
        silence=max(threshold - settings.hysteresis, 0.01),
        min_speech=samples(settings.min_speech_s),
        pause=samples(min(settings.pause_s, silence_s)),
        end=samples(silence_s),
        duck=samples(settings.duck_s) if interrupts else None,
        hold=samples(settings.hold_s),
        interrupt=samples(settings.interrupt_s),
        overhear=samples(settings.overhear_s),
        lift=samples(settings.lift_s),
        max_turn=samples(settings.max_turn_s),
        idle=None if idle_s is None else samples(idle_s),
    )


def patience(settings: TurnSettings, detection: SemanticVad, words: str, end_of_turn: float | None) -> int:
    """Samples of silence that end a turn which says `words` so far and is over with that probability.

    Between the two probabilities the wait falls with the logarithm: what a language model holds for likely and
    unlikely lies decades apart. None: the decoder can't tell, and the wait is that of a fixed silence.
    """
    if end_of_turn is None:
        return samples(settings.silence_s * _factor(settings, detection))
    if _FILLED_PAUSE.search(words) or _DICTATED.search(words):
        end_of_turn = 0.0
    low, high = math.log(settings.incomplete_probability), math.log(settings.complete_probability)
    completeness = (math.log(max(end_of_turn, 1e-9)) - low) / max(high - low, 1e-9)
    share = min(max(completeness, 0.0), 1.0)
    wait_s = settings.incomplete_s + (settings.complete_s - settings.incomplete_s) * share
    return samples(wait_s * _factor(settings, detection))


def open_words(text: str) -> str:
    """`text` as a sentence that may go on: recognizers close every one, also where the person only paused."""
    return text.rstrip(" .,?!;:…-")


def samples(seconds: float) -> int:
    """Of the input clock."""
    return round(seconds * INPUT_RATE)


def _factor(settings: TurnSettings, detection: SemanticVad) -> float:
    return {"high": settings.eager_factor, "low": settings.patient_factor}.get(detection.eagerness, 1.0)
