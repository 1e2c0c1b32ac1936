"""Recorded dictation, with pauses of 0.6 to 1.2 s between its pieces: real ears and a decoder that never waits."""

import asyncio
from dataclasses import replace

import numpy as np

from audio.pcm import INPUT_RATE, Pcm, silence
from bench.corpus import read_corpus
from pipeline.agent import Agent
from pipeline.commands import SemanticVad
from pipeline.engine import Engine
from pipeline.events import ResponseStarted, SpeechStopped, Transcribed
from realtime.serve import loaded
from tests.support import serving
from tests.support.listener import Listener, hear
from tests.support.speech import RECORDINGS
from tests.support.talk import SETTINGS

AFTER_S = 2.0


async def listened(engine: Engine, pcm: Pcm) -> Listener:
    """What comes of `pcm`, if the decoder takes every pause for the end."""
    listener = Listener(["Thank you."] * 9)
    listener.decoder.end_of_turn = 1.0
    settings = replace(SETTINGS, voice=engine.voice, turn_detection=SemanticVad())
    agent = Agent(replace(engine, decoder=listener.decoder), settings, listener)
    running = asyncio.create_task(agent.run())
    await hear(agent, engine, listener, pcm)
    running.cancel()
    await asyncio.wait([running])
    return listener


async def test_nobody_is_cut_off_who_dictates() -> None:
    async with loaded(serving.SETTINGS) as engine:
        for spoken in read_corpus(RECORDINGS, ("dictation",), INPUT_RATE):
            end = silence(round(AFTER_S * INPUT_RATE))
            listener = await listened(engine, np.concatenate((spoken.pcm, end)))
            turns, answers = listener.at(SpeechStopped), listener.at(ResponseStarted)
            assert len(turns) == len(answers) == 1, spoken.name
            assert turns[0] > spoken.last_words_s * INPUT_RATE, spoken.name


async def test_an_address_is_understood_as_a_whole() -> None:
    async with loaded(serving.SETTINGS) as engine:
        (address,) = [one for one in read_corpus(RECORDINGS, ("dictation",), INPUT_RATE) if "Maple" in one.text]
        listener = await listened(engine, np.concatenate((address.pcm, silence(round(AFTER_S * INPUT_RATE)))))
        (heard,) = [event for event in listener.events if isinstance(event, Transcribed) and event.final]
        for word in ("1240", "Maple", "3B", "Springfield", "Ohio"):
            assert word in (heard.final or "")
