"""A long call, faster than real time: a short one of its kind; `antiphon bench soak` holds it for an hour."""

from bench.corpus import read_corpus
from bench.soak import KINDS, measure
from realtime.client import WIRE_RATE
from realtime.serve import loaded, running
from tests.sound.serving import SETTINGS
from tests.speech import FOLDER


async def test_a_long_call_leaves_nothing_behind() -> None:
    corpus = read_corpus(FOLDER, KINDS, WIRE_RATE)
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
