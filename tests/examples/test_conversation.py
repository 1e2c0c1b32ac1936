"""examples/conversation.py, run with questions that `antiphon say` has spoken."""

import re
from pathlib import Path

from audio.sound_file import read_wav
from tests.examples.running import EXAMPLES, TOLD_TIME, run, serving_a_model_that_calls
from tests.support.pulse import RATE, seconds_of_sound
from tests.support.speech import word_errors

PROGRAM = EXAMPLES / "conversation.py"


async def test_both_turns_are_printed_and_both_answers_saved(
    server: str, questions: dict[Path, str], tmp_path: Path
) -> None:
    printed = await run(PROGRAM, *questions, "--url", f"{server}/v1", folder=tmp_path)
    heard = re.findall(r"^You: +(.*)", printed, re.M)
    assert len(heard) == 2
    for asked, text in zip(questions.values(), heard, strict=True):
        assert word_errors(asked, text) <= 0.34
    assert len(re.findall(r"^Agent: +\w", printed, re.M)) == 2
    for number in (1, 2):
        assert seconds_of_sound(read_wav(tmp_path / f"answer-{number}.wav", RATE)) > 0.5


async def test_the_tool_is_called_and_its_result_is_answered(questions: dict[Path, str], tmp_path: Path) -> None:
    question = next(iter(questions))
    async with serving_a_model_that_calls("get_time") as (url, model):
        printed = await run(PROGRAM, question, "--url", f"{url}/v1", folder=tmp_path)
    assert [line.strip() for line in printed.splitlines()][1:] == ["(get_time was called)", f"Agent: {TOLD_TIME}"]
    assert re.fullmatch(r'\{"time": "\d\d:\d\d"\}', model.asked[-1]["messages"][-1]["content"])
    assert seconds_of_sound(read_wav(tmp_path / "answer-1.wav", RATE)) > 0.5
