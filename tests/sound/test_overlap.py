"""Recorded backchannels and barge-ins over the agent's voice: real ears, in virtual time."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soxr

from bench.corpus import Recording, read_corpus
from pipeline.agent import Agent
from pipeline.audio import INPUT_RATE
from pipeline.commands import Audio, Respond, RetrieveItem, SemanticVad
from pipeline.engine import Engine
from pipeline.events import Event, OutputAudio, Playback, Refused, ResponseDone, SpeechStarted
from pipeline.workers import Urgency
from realtime.serve import loaded
from tests.doubles import ScriptedDecoder
from tests.pipeline.talk import SETTINGS
from tests.sound import serving
from tests.speech import cough

RECORDINGS = Path(__file__).parent.parent / "recordings"
STORY = (
    "The moon goes around the earth in about four weeks. Its light is the light of the sun, and it has no light of its "
    "own. Many people have looked at it for thousands of years, and a few have even walked on it."
)
STEP = INPUT_RATE // 10


class Listening:
    """Somebody with the agent's voice in the ear."""

    follows = True

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.done = asyncio.Event()
        """The answer is made."""
        self._mark = ""
        self._marked = asyncio.Event()

    def played(self, response_id: str) -> int | None:
        return None

    def emit(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, ResponseDone):
            self.done.set()
        if isinstance(event, Refused) and event.event_id == self._mark:
            self._marked.set()

    async def told(self, mark: str) -> None:
        """Wait until the agent refuses the command of this id."""
        self._mark = mark
        if not any(isinstance(event, Refused) and event.event_id == mark for event in self.events):
            self._marked.clear()
            await self._marked.wait()

    async def ready(self) -> None:
        pass


@asynccontextmanager
async def telling(engine: Engine) -> AsyncIterator[tuple[Agent, Listening]]:
    """An agent that has begun to tell a story."""
    listening = Listening()
    settings = replace(SETTINGS, voice=engine.voice, turn_detection=SemanticVad())
    agent = Agent(replace(engine, decoder=ScriptedDecoder([STORY, "Fine."])), settings, listening)
    running = asyncio.create_task(agent.run())
    await agent.do(Respond())
    async with asyncio.timeout(60):
        await listening.done.wait()
    yield agent, listening
    running.cancel()
    await asyncio.wait([running])


async def hear(agent: Agent, engine: Engine, listening: Listening, pcm: np.ndarray) -> None:
    """Step by step; after each the agent has decided, and has made out what it wanted to."""
    for number, start in enumerate(range(0, len(pcm), STEP)):
        await agent.do(Audio(pcm[start : start + STEP].astype(np.float32)))
        await agent.do(RetrieveItem("", f"step {number}"))
        async with asyncio.timeout(60):
            await listening.told(f"step {number}")
        await asyncio.sleep(0)
        # Both threads come to this only when they have nothing more urgent left.
        both = threading.Barrier(serving.SETTINGS.workers.threads)
        await asyncio.gather(*(engine.workers.run(Urgency.SPEECH, both.wait) for _ in range(both.parties)))


def hiss(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(round(seconds * INPUT_RATE)) * 10 ** (-55 / 20)


def recordings(kind: str) -> list[Recording]:
    return read_corpus(RECORDINGS, (kind,), INPUT_RATE)


async def test_backchannels_let_it_go_on_and_barge_ins_stop_it() -> None:
    async with loaded(serving.SETTINGS) as engine:
        for kind, stops in (("backchannel", False), ("barge_in", True)):
            for spoken in recordings(kind):
                async with telling(engine) as (agent, listening):
                    await hear(agent, engine, listening, np.concatenate((hiss(1), spoken.pcm, hiss(1))))
                    states = [event.state for event in listening.events if isinstance(event, Playback)]
                    assert states == ["ducked", "paused", "full"], spoken.name
                    stopped = any(isinstance(event, SpeechStarted) for event in listening.events)
                    assert stopped is stops, spoken.name


@pytest.mark.parametrize(("voiced", "first"), [(False, []), (True, ["ducked"])])
async def test_a_cough_does_not_stop_it(voiced: bool, first: list[str]) -> None:
    """One without a voice in it is no speech to the detector; of one with a voice the agent has to think."""
    async with loaded(serving.SETTINGS) as engine, telling(engine) as (agent, listening):
        await hear(agent, engine, listening, np.concatenate((hiss(1), cough(voiced), hiss(1))))
        assert not any(isinstance(event, SpeechStarted) for event in listening.events)
        states = [event.state for event in listening.events if isinstance(event, Playback)]
        assert states[:1] == first
        assert states[-1:] in ([], ["full"])


async def test_its_own_echo_does_not_interrupt_it() -> None:
    async with loaded(serving.SETTINGS) as engine, telling(engine) as (agent, listening):
        voice = np.concatenate([event.pcm for event in listening.events if isinstance(event, OutputAudio)])
        at_ear = soxr.resample(voice, SETTINGS.output_rate, INPUT_RATE)
        echo = np.concatenate((np.zeros(round(0.18 * INPUT_RATE)), 0.1 * at_ear))
        await hear(agent, engine, listening, echo + hiss(len(echo) / INPUT_RATE)[: len(echo)])
        assert not any(isinstance(event, SpeechStarted | Playback) for event in listening.events)


async def test_an_echo_of_that_level_is_a_voice_to_the_speech_detector() -> None:
    """The recordings are loud enough at -20 dB for the detector of speech: the test above tests something."""
    async with loaded(serving.SETTINGS) as engine:
        spoken = recordings("turn")[0].pcm * 0.1
        probabilities = engine.vad.open().push(spoken.astype(np.float32))
        assert sum(probability > 0.5 for probability in probabilities) > 10
