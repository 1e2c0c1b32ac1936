"""examples/livekit_agent.py and examples/pipecat_agent.py at a microphone and a loudspeaker, which are PulseAudio's."""

import asyncio
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.conversation.rendering import STILL_RUNNING
from tests.clients.examples.terminal import Terminal, at_a_terminal
from tests.clients.walks import environment
from tests.examples.running import EXAMPLES, TOLD_TIME, answering, calling, serving
from tests.support.chat_server import Deltas
from tests.support.pulse import RATE, Ear, Pulse, pulse_audio, seconds_of_sound
from tests.support.speech import recordings

_GREETING = "Hello! You can ask me for the time."
_STORY = "Dolphins sleep with one half of the brain at a time, while the other half keeps watch over the sea. " * 6


@dataclass(frozen=True, slots=True)
class Example:
    """A program that runs in the environment of its framework, and the URL that it takes."""

    framework: str
    program: str
    arguments: tuple[str, ...]
    url: str

    def command(self) -> list[str | Path]:
        return [environment(self.framework) / "bin" / "python", EXAMPLES / self.program, *self.arguments]


LIVEKIT = Example("livekit_agents", "livekit_agent.py", ("console",), "http://{host}/v1")
PIPECAT = Example("pipecat_service", "pipecat_agent.py", (), "ws://{host}/v1/realtime")


def deltas(body: Mapping[str, Any]) -> tuple[Deltas, str]:
    """The stand-in greets, tells a story about dolphins, and looks at the clock for anything else."""
    last = body["messages"][-1]
    if last["role"] == "tool":
        return answering(TOLD_TIME)
    if "hello" in str(last["content"]).lower():
        return answering(_GREETING)
    return answering(_STORY) if "dolphins" in str(last["content"]).lower() else calling("get_time")


@pytest.mark.parametrize("example", [LIVEKIT, PIPECAT], ids=["livekit", "pipecat"])
async def test_the_agent_greets_calls_its_tool_and_is_interrupted(example: Example) -> None:
    with tempfile.TemporaryDirectory() as folder, pulse_audio(Path(folder)) as pulse:
        pulse.plug_in()
        async with serving(deltas) as (url, model):
            address = example.url.format(host=url.removeprefix("http://"))
            with (
                pulse.listen() as ear,
                at_a_terminal(example.command(), pulse.environment | {"ANTIPHON_URL": address}) as terminal,
            ):
                await asyncio.to_thread(_talk, pulse, ear, terminal)
        results = [message["content"] for message in model.asked[-1]["messages"] if message["role"] == "tool"]
        # LiveKit runs no tool in an answer that a later part of the question interrupts.
        times = [result for result in results if result != STILL_RUNNING]
        assert len(times) >= 2
        assert all(re.fullmatch(r'"?\d\d:\d\d"?', time) for time in times)


def _talk(pulse: Pulse, ear: Ear, terminal: Terminal) -> None:
    terminal.until(f"Agent: {re.escape(_GREETING)}")
    pulse.say(recordings()["turn_08"].pcm(RATE))
    terminal.until(f"Agent: {re.escape(TOLD_TIME)}")
    told = len(ear.pcm)
    pulse.say(recordings()["turn_06"].pcm(RATE))
    ear.until(lambda pcm: seconds_of_sound(pcm) > 2, told)
    # LiveKit's echo canceller cuts into it: of "Hang on, I have another question" it may leave "Hang on", which asks
    # the agent to wait. What is left of a question is answered, once for each part.
    pulse.say(recordings()["turn_12"].pcm(RATE))
    terminal.until(r"Agent: Dolphins[^()]*\(interrupted\)")
    assert _words(terminal, r"Agent: (Dolphins[^()]*)\(interrupted\)") < len(_STORY.split()) / 2
    terminal.until(r"You: +[^\n]*dolphins")
    # The barge-in is answered as well.
    terminal.until(rf"(?s)(Agent: {re.escape(TOLD_TIME)}.*){{2}}")


def _words(terminal: Terminal, pattern: str) -> int:
    (said,) = re.findall(pattern, terminal.text)
    return len(said.split())
