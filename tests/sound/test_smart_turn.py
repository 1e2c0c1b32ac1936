import numpy as np

from pipeline.listening.smart_turn import HEARD_SAMPLES, SmartTurn
from pipeline.weights.store import ModelStore
from tests.support.speech import recordings

SPEECH_STARTS_S = 0.42


def test_a_finished_question_sounds_more_finished_than_its_first_half() -> None:
    opinion = SmartTurn(ModelStore().resolve("smart-turn-v3.2"))
    finished, broken_off = [], []
    for recording in recordings().values():
        if recording.kind not in ("turn", "pause"):
            continue
        pcm, end = recording.pcm(), round((recording.speech_end_s + 0.2) * 16_000)
        finished.append(opinion.probability(pcm[:end]))
        start = round(SPEECH_STARTS_S * 16_000)
        broken_off.append(opinion.probability(pcm[: start + (end - start) * 3 // 5]))
    assert min(finished) > 0.5
    assert sum(finished) / len(finished) > 1.5 * sum(broken_off) / len(broken_off)


def test_any_length_will_do() -> None:
    opinion = SmartTurn(ModelStore().resolve("smart-turn-v3.2"))
    pcm = recordings()["turn_02"].pcm()
    for length in (1_600, HEARD_SAMPLES, 3 * HEARD_SAMPLES):
        assert 0 <= opinion.probability(np.resize(pcm, length)) <= 1
