"""From what the client asks of turn detection to the thresholds that turn taking goes by."""

from pipeline.audio import INPUT_RATE
from pipeline.commands import SemanticVad, ServerVad, TurnDetection
from pipeline.settings import TurnSettings
from pipeline.turn import Thresholds


def thresholds(settings: TurnSettings, detection: TurnDetection) -> Thresholds:
    threshold, silence_s, idle_s = settings.threshold, settings.silence_s, None
    match detection:
        case ServerVad():
            threshold, silence_s, idle_s = detection.threshold, detection.silence_s, detection.idle_timeout_s
        case SemanticVad(eagerness="high"):
            silence_s = settings.eager_silence_s
        case SemanticVad(eagerness="low"):
            silence_s = settings.patient_silence_s
    return Thresholds(
        speech=threshold,
        silence=max(threshold - settings.hysteresis, 0.01),
        min_speech=samples(settings.min_speech_s),
        pause=samples(min(settings.pause_s, silence_s)),
        end=samples(silence_s),
        interrupt=samples(settings.interrupt_s),
        max_turn=samples(settings.max_turn_s),
        idle=None if idle_s is None else samples(idle_s),
    )


def samples(seconds: float) -> int:
    """Of the input clock."""
    return round(seconds * INPUT_RATE)
