"""A long call, faster than real time: a short one of its kind; `antiphon bench soak` holds it for an hour."""

from bench.conversations.soak import KINDS, measure
from bench.corpus import read_corpus
from realtime.protocol.audio_format import WIRE_RATE
from realtime.serve import loaded, running
from tests.support.serving import SETTINGS
from tests.support.speech import RECORDINGS


async def test_a_long_call_leaves_nothing_behind() -> None:
    corpus = read_corpus(RECORDINGS, KINDS, WIRE_RATE)
    async with loaded(SETTINGS) as engine, running(engine, SETTINGS) as url:
        report = await measure(url, "", corpus, minutes=3)
    summary = report.summary()
    assert (summary["turns"], summary["answered"], summary["broken_into"]) == (6, 6, 1)
    # What the tests before have left may go meanwhile.
    assert summary["tasks_left"] is not None
    assert summary["tasks_left"] <= 0
    assert summary["files_left"] is not None
    assert summary["files_left"] <= 0
    assert summary["clock_drift_ms"] is not None
    assert abs(summary["clock_drift_ms"]) < 100
