"""How long a silence must be to end a turn: by the clock, or by how complete the words before it are. Pure."""

import math

from audio.pcm import INPUT_RATE
from pipeline.commands import SemanticVad, ServerVad, TurnDetection
from pipeline.listening.completeness import FIRST_LOOK_S, Evidence, probability_of_end
from pipeline.listening.overlap import OverlapLimits
from pipeline.listening.turn_taking import Thresholds
from pipeline.listening.wording.backchannels import Phrases
from pipeline.settings import TurnSettings

LOOKS_S = (FIRST_LOOK_S, 0.5, 1.2)
"""Silences after which the sound of a turn is judged, again and again: the longer it lasts, the surer the end is."""


def phrases(settings: TurnSettings) -> Phrases:
    """The phrases by which speech over the agent's voice is judged."""
    return Phrases(settings.backchannels, settings.interruptions, settings.stops)


def thresholds(settings: TurnSettings, detection: TurnDetection) -> Thresholds:
    """What turn taking goes by. A semantic turn that nothing more is known of has its longest wait."""
    threshold, silence_s, idle_s, interrupts = settings.threshold, settings.silence_s, None, True
    looks_s: tuple[float, ...] = ()
    match detection:
        case ServerVad():
            threshold, silence_s, idle_s = detection.threshold, detection.silence_s, detection.idle_timeout_s
            interrupts = detection.interrupt_response
        case SemanticVad():
            interrupts = detection.interrupt_response
            silence_s = settings.incomplete_s * _factor(settings, detection)
            looks_s = LOOKS_S
    return Thresholds(
        speech=threshold,
        silence=max(threshold - settings.hysteresis, 0.01),
        min_speech=samples(settings.min_speech_s),
        pause=samples(min(settings.pause_s, silence_s)),
        end=samples(silence_s),
        duck=samples(settings.duck_s) if interrupts else None,
        overlap=OverlapLimits(
            hold=samples(settings.hold_s),
            held=samples(settings.held_s),
            interrupt=samples(settings.interrupt_s),
            overhear=samples(settings.overhear_s),
            lift=samples(settings.lift_s),
            pause=samples(min(settings.pause_s, silence_s)),
            min_speech=samples(settings.min_speech_s),
        ),
        max_turn=samples(settings.max_turn_s),
        looks=tuple(map(samples, looks_s)),
        idle=None if idle_s is None else samples(idle_s),
    )


def patience(settings: TurnSettings, detection: SemanticVad, evidence: Evidence) -> int:
    """Samples of silence that end a turn of which this much is known.

    Pauses within turns end at about the same rate whenever they are looked at, so that the wait that costs least, cut
    turns against dead air, falls linearly with the logarithm of the odds that the turn is over. Where nothing is known
    of those, the wait is that of a fixed silence.
    """
    probability = probability_of_end(evidence)
    if probability is None:
        return samples(settings.silence_s * _factor(settings, detection))
    low, high = _log_odds(settings.incomplete_probability), _log_odds(settings.complete_probability)
    completeness = (_log_odds(probability) - low) / max(high - low, 1e-9)
    share = min(max(completeness, 0.0), 1.0)
    wait_s = settings.incomplete_s + (settings.complete_s - settings.incomplete_s) * share
    return samples(wait_s * _factor(settings, detection))


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(bounded / (1 - bounded))


def open_words(text: str) -> str:
    """`text` as a sentence that may go on: recognizers close every one, also where the person only paused."""
    return text.rstrip(" .,?!;:…-")


def samples(seconds: float) -> int:
    """Of the input clock."""
    return round(seconds * INPUT_RATE)


def _factor(settings: TurnSettings, detection: SemanticVad) -> float:
    return {"high": settings.eager_factor, "low": settings.patient_factor}.get(detection.eagerness, 1.0)
