"""Recorded backchannels and barge-ins over the agent's voice: real ears, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest
import soxr

from audio.pcm import INPUT_RATE, Pcm
from bench.corpus import Recording, read_corpus
from pipeline.agent import Agent
from pipeline.commands import Respond, SemanticVad
from pipeline.conversation.items import Message
from pipeline.decoders.decoder import Text
from pipeline.engine import Engine
from pipeline.events import ItemAdded, OutputAudio, Playback, ResponseDone, SpeechStarted, Transcribed
from pipeline.listening.endpointing import phrases
from pipeline.listening.wording.backchannels import asks_for_silence
from realtime.serve import loaded
from tests.support import serving
from tests.support.listener import Listener, hear
from tests.support.speech import RECORDINGS, cough
from tests.support.talk import SETTINGS

STORY = (
    "The moon goes around the earth in about four weeks. Its light is the light of the sun, and it has no light of its "
    "own. Many people have looked at it for thousands of years, and a few have even walked on it."
)


@asynccontextmanager
async def telling(engine: Engine) -> AsyncIterator[tuple[Agent, Listener]]:
    """An agent that has begun to tell a story."""
    listening = Listener([STORY, "Fine.", "Good."])
    settings = replace(SETTINGS, voice=engine.voice, turn_detection=SemanticVad())
    agent = Agent(replace(engine, decoder=listening.decoder), settings, listening)
    running = asyncio.create_task(agent.run())
    await agent.do(Respond())
    async with asyncio.timeout(60):
        await listening.done.wait()
    yield agent, listening
    running.cancel()
    await asyncio.wait([running])


def as_pcm(samples: np.ndarray) -> Pcm:
    return samples.astype(np.float32)


def hiss(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(round(seconds * INPUT_RATE)) * 10 ** (-55 / 20)


def recordings(kind: str) -> list[Recording]:
    return read_corpus(RECORDINGS, (kind,), INPUT_RATE)


async def test_backchannels_let_it_go_on_and_barge_ins_stop_it() -> None:
    async with loaded(serving.SETTINGS) as engine:
        for kind, stops in (("backchannel", False), ("barge_in", True)):
            for spoken in recordings(kind):
                async with telling(engine) as (agent, listening):
                    await hear(agent, engine, listening, as_pcm(np.concatenate((hiss(1), spoken.pcm, hiss(1)))))
                    states = [event.state for event in listening.events if isinstance(event, Playback)]
                    assert states[:2] == ["ducked", "paused"], spoken.name
                    assert states[-1] == "full", spoken.name
                    stopped = any(isinstance(event, SpeechStarted) for event in listening.events)
                    assert stopped is stops, spoken.name
                    assert stops or listening.longest_pause() <= round(0.6 * INPUT_RATE), spoken.name


async def test_who_asks_for_silence_stops_it_for_good() -> None:
    async with loaded(serving.SETTINGS) as engine:
        for spoken in recordings("stop"):
            async with telling(engine) as (agent, listening):
                await hear(agent, engine, listening, as_pcm(np.concatenate((hiss(1), spoken.pcm, hiss(3)))))
                assert any(isinstance(event, SpeechStarted) for event in listening.events), spoken.name
                assert sum(isinstance(event, ResponseDone) for event in listening.events) == 1, spoken.name
                (heard,) = [event for event in listening.events if isinstance(event, Transcribed) and event.final]
                assert asks_for_silence(heard.final or "", phrases(engine.settings.turn)), spoken.name


async def test_remarks_let_it_go_on_after_a_short_pause_and_are_kept() -> None:
    async with loaded(serving.SETTINGS) as engine:
        for spoken in recordings("remark"):
            async with telling(engine) as (agent, listening):
                await hear(agent, engine, listening, as_pcm(np.concatenate((hiss(1), spoken.pcm, hiss(2)))))
                assert not any(isinstance(event, SpeechStarted) for event in listening.events), spoken.name
                assert listening.longest_pause() <= INPUT_RATE, spoken.name
                kept = [event.item for event in listening.events if isinstance(event, ItemAdded)]
                assert [item.text for item in kept if isinstance(item, Message) and item.role == "user"], spoken.name


async def test_what_is_answered_over_its_voice_is_an_item_an_event_and_read() -> None:
    async with loaded(serving.SETTINGS) as engine:
        for spoken in recordings("aside"):
            async with telling(engine) as (agent, listening):
                await hear(agent, engine, listening, as_pcm(np.concatenate((hiss(1), spoken.pcm, hiss(2)))))
                (heard,) = [event for event in listening.events if isinstance(event, Transcribed) and event.final]
                kept = [event.item for event in listening.events if isinstance(event, ItemAdded)]
                assert heard.item_id in [item.id for item in kept], spoken.name
                await agent.do(Respond())
                async with asyncio.timeout(60):
                    await listening.answered(2)
                read = [unit.text for unit in listening.decoder.prompts[-1] if isinstance(unit, Text)]
                assert heard.final in read, spoken.name


@pytest.mark.parametrize(("voiced", "first"), [(False, []), (True, ["ducked"])])
async def test_a_cough_does_not_stop_it(voiced: bool, first: list[str]) -> None:
    """One without a voice in it is no speech to the detector; of one with a voice the agent has to think."""
    async with loaded(serving.SETTINGS) as engine, telling(engine) as (agent, listening):
        await hear(agent, engine, listening, as_pcm(np.concatenate((hiss(1), cough(voiced), hiss(1)))))
        assert not any(isinstance(event, SpeechStarted) for event in listening.events)
        states = [event.state for event in listening.events if isinstance(event, Playback)]
        assert states[:1] == first
        assert states[-1:] in ([], ["full"])


async def test_its_own_echo_does_not_interrupt_it() -> None:
    async with loaded(serving.SETTINGS) as engine, telling(engine) as (agent, listening):
        voice = np.concatenate([event.pcm for event in listening.events if isinstance(event, OutputAudio)])
        at_ear = soxr.resample(voice, SETTINGS.output_rate, INPUT_RATE)
        echo = np.concatenate((np.zeros(round(0.18 * INPUT_RATE)), 0.1 * at_ear))
        await hear(agent, engine, listening, as_pcm(echo + hiss(len(echo) / INPUT_RATE)[: len(echo)]))
        assert not any(isinstance(event, SpeechStarted | Playback) for event in listening.events)


async def test_an_echo_of_that_level_is_a_voice_to_the_speech_detector() -> None:
    """The recordings are loud enough at -20 dB for the detector of speech: the test above tests something."""
    async with loaded(serving.SETTINGS) as engine:
        spoken = recordings("turn")[0].pcm * 0.1
        probabilities = engine.vad.open().push(spoken.astype(np.float32))
        assert sum(probability > 0.5 for probability in probabilities) > 10
