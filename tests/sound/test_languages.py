"""Speech in languages that the recognizer was not taught: it is not answered as if it were English."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from audio.pcm import INPUT_RATE, silence
from audio.sound_file import read_wav
from pipeline.agent import Agent
from pipeline.commands import SemanticVad
from pipeline.conversation.items import Message
from pipeline.events import ItemDone, ResponseDone, Transcribed
from realtime.serve import loaded
from tests.support import serving
from tests.support.listener import Listener, hear
from tests.support.speech import SPOKEN_CASES
from tests.support.talk import SETTINGS


@pytest.mark.parametrize("language", ["de", "es"])
async def test_another_language_is_admitted_not_to_be_understood(language: str) -> None:
    async with loaded(serving.SETTINGS) as engine:
        listener = Listener(["Invented."])
        settings = replace(SETTINGS, voice=engine.voice, turn_detection=SemanticVad())
        agent = Agent(replace(engine, decoder=listener.decoder), settings, listener)
        running = asyncio.create_task(agent.run())
        spoken = read_wav(SPOKEN_CASES / f"lang_{language}.wav", INPUT_RATE)
        pcm = np.concatenate((silence(INPUT_RATE // 2), spoken, silence(4 * INPUT_RATE)))
        hiss = np.random.default_rng(0).standard_normal(len(pcm)) * 10 ** (-55 / 20)
        await hear(agent, engine, listener, (pcm + hiss).astype(np.float32))
        running.cancel()
        await asyncio.wait([running])
    assert not listener.decoder.prompts, "nothing was understood that could be answered"
    assert [event.final for event in listener.events if isinstance(event, Transcribed)] == [""]
    assert sum(isinstance(event, ResponseDone) for event in listener.events) == 1
    said = [event.item for event in listener.events if isinstance(event, ItemDone)][-1]
    assert isinstance(said, Message)
    assert said.text == engine.settings.agent.not_understood
