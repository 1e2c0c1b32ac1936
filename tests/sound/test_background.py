"""A television behind the caller: it begins no turn, and the caller is heard in front of it."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from audio.pcm import INPUT_RATE, Pcm
from pipeline.agent import Agent
from pipeline.commands import SemanticVad
from pipeline.engine import Engine
from pipeline.events import SpeechStarted, Transcribed
from realtime.serve import loaded
from tests.support import serving
from tests.support.listener import Listener, hear
from tests.support.speech import recordings
from tests.support.talk import SETTINGS

CALLER, TELEVISION = "turn_02", ("turn_06", "turn_07", "turn_12")
GAP_S = 2.0


def in_a_room(*parts: Pcm) -> Pcm:
    """The parts with pauses between them, in the noise of a room."""
    gap = np.zeros(round(GAP_S * INPUT_RATE), np.float32)
    pcm = np.concatenate([piece for part in parts for piece in (part, gap)])
    hiss = np.random.default_rng(0).standard_normal(len(pcm)) * 10 ** (-65 / 20)
    return np.asarray(pcm + hiss, np.float32)


async def listened(engine: Engine, pcm: Pcm) -> Listener:
    listener = Listener(["Fine."] * 9)
    settings = replace(SETTINGS, voice=engine.voice, turn_detection=SemanticVad())
    agent = Agent(replace(engine, decoder=listener.decoder), settings, listener)
    running = asyncio.create_task(agent.run())
    await hear(agent, engine, listener, pcm)
    running.cancel()
    await asyncio.wait([running])
    return listener


@pytest.mark.parametrize("below_db", [12, 20, 30])
async def test_a_television_begins_no_turn_and_the_caller_still_does(below_db: float) -> None:
    said = recordings()
    behind = [said[name].pcm() * np.float32(10 ** (-below_db / 20)) for name in TELEVISION]
    caller = said[CALLER].pcm()
    async with loaded(serving.SETTINGS) as engine:
        listener = await listened(engine, in_a_room(caller, *behind, caller))
    assert len(listener.at(SpeechStarted)) == 2
    finals = [event.final for event in listener.events if isinstance(event, Transcribed) and event.final]
    assert len(finals) == 2
    assert all("planet" in final for final in finals)


async def test_a_caller_who_moves_away_is_known_by_their_voice() -> None:
    said = recordings()
    near, far = (said[name].pcm() for name in ("turn_06", "turn_14"))
    async with loaded(serving.SETTINGS) as engine:
        listener = await listened(engine, in_a_room(near, far * np.float32(10 ** (-15 / 20))))
    assert len(listener.at(SpeechStarted)) == 2
    finals = [event.final for event in listener.events if isinstance(event, Transcribed) and event.final]
    assert "spell" in finals[1]
