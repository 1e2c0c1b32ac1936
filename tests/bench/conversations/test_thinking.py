"""What the bench makes of the answers that come, and how it names what it asks."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from audio.pcm import silence
from bench.conversations.questions import AudioFile, Question
from bench.conversations.thinking import Answered, Asking, CannotAsk, Report, modes_named, thinker, thoughtful
from pipeline.settings import DecoderSettings
from realtime.protocol.audio_format import WIRE_RATE
from realtime.protocol.parsing import ServerEvent
from realtime.settings import Settings
from tests.support.server_events import ScriptedConnection, Status, audio, created, done, error, thoughts

QUESTION = Question("sum", "arithmetic", "5", AudioFile(Path("none.wav")))


def sound(seconds: float) -> ServerEvent:
    return audio(silence(round(seconds * WIRE_RATE)))


def finished(status: Status = "completed", failure: str = "") -> ServerEvent:
    thinking = {"tokens": 90, "before_speech": 80, "seconds": 1.5}
    return done(status, "The answer is five.", failure=failure, thinking=thinking)


async def asked(events: list[ServerEvent]) -> tuple[Answered, list[str]]:
    connection = ScriptedConnection(answer=events)
    asking = Asking(connection, QUESTION, "think_first")
    speaking = asyncio.create_task(asking.speak(np.zeros(WIRE_RATE // 20, np.float32)))
    try:
        await asking.listen()
    finally:
        speaking.cancel()
        await asyncio.wait([speaking])
    return asking.answered, connection.sent


async def test_an_answer_is_taken_down() -> None:
    thought = thoughts("Hm.")
    answered, sent = await asked([thought, thought, sound(0.5), sound(1.5), created(), finished()])
    assert sent == [*["input_audio_buffer.append"] * 3, "input_audio_buffer.commit", "response.create"]
    assert (answered.right, answered.thoughts_before, answered.thought_tokens) == (True, 80, 90)
    assert answered.said == "The answer is five."
    assert len(answered.thoughts) == len(answered.sound) == 1
    assert answered.first_packet_ms is not None
    assert answered.total_s == pytest.approx(answered.first_packet_ms / 1000 + 2)
    assert answered.longest_silence_ms == 0


async def test_failures_are_reported_in_plain_words() -> None:
    with pytest.raises(CannotAsk, match="sum got no answer: the engine is dead"):
        await asked([finished("failed", failure="the engine is dead")])
    with pytest.raises(CannotAsk, match="the server refused: no"):
        await asked([error("no")])


async def test_an_empty_answer_is_wrong_and_the_next_question_is_asked() -> None:
    answered, _ = await asked([done("failed", "", failure="the model wrote nothing that can be said")])
    assert not answered.right


def test_silence_is_what_lies_between_stretches_of_sound() -> None:
    answered = Answered("off", "sum", "arithmetic", "5", sound=[(0.5, 1.0), (1.2, 2.0), (2.1, 3.0)])
    assert answered.longest_silence_ms == pytest.approx(200)
    assert answered.total_s == 3.0
    assert Answered("off", "sum", "arithmetic", "5").longest_silence_ms is None


def test_the_score_is_by_mode_and_category() -> None:
    answers = [
        Answered("off", "a", "logic", "yes", right=True),
        Answered("off", "b", "logic", "yes"),
        Answered("off", "c", "arithmetic", "5", right=True),
        Answered("before", "a", "logic", "yes", thoughts_before=100, sound=[(3.0, 4.0)]),
    ]
    report = Report("small", answers)
    assert report.modes == ["off", "before"]
    assert report.score() == {
        "off": {"all": pytest.approx(200 / 3), "logic": 50, "arithmetic": 100},
        "before": {"all": 0, "logic": 0},
    }
    assert report.summary()["before"] == {
        "questions": 1,
        "right": 0,
        "thoughts_before_p50": 100,
        "thought_tokens_p50": 0,
        "first_packet_p50_ms": 3000,
        "first_packet_p90_ms": 3000,
        "total_p50_s": 4,
        "longest_silence_ms": 0,
    }


def test_modes_are_named_in_their_order() -> None:
    assert modes_named("speak_first, off") == ["off", "speak_first"]
    with pytest.raises(CannotAsk, match="no mode of thinking aloud; the modes are off, before"):
        modes_named("off,aloud")


@pytest.mark.parametrize(
    ("decoder", "model", "name"),
    [
        (DecoderSettings(), None, "qwen2.5-coder-1.5b-instruct, thinking in the format of plain"),
        (DecoderSettings(), Path("/models/Qwen3-8B.gguf"), "Qwen3-8B.gguf"),
        (DecoderSettings(thoughts="mistral"), None, "qwen2.5-coder-1.5b-instruct, thinking in the format of mistral"),
        (DecoderSettings(backend="openai", model="org/R1", url="http://gpu:8000/v1"), None, "org/R1"),
    ],
)
def test_the_model_is_named_honestly(decoder: DecoderSettings, model: Path | None, name: str) -> None:
    assert thinker(thoughtful(Settings(decoder=decoder), model)) == name
