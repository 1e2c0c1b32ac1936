"""A decoder that reads is told how a turn was said, and nobody else is."""

import numpy as np
import pytest

from audio.pcm import silence
from pipeline.commands import Audio
from pipeline.events import ResponseDone, Transcribed
from pipeline.settings import AgentSettings, PipelineSettings
from tests.support.speech import voice
from tests.support.talk import talk

NOTED = PipelineSettings(agent=AgentSettings(prosody_note=True))
ASKED = np.concatenate((voice((120, 120), level=0.8), voice((120, 200), level=0.8, seconds=0.5), silence(12_000)))


@pytest.mark.parametrize(
    ("settings", "read"),
    [(NOTED, "You are here (voice rising at the end)"), (PipelineSettings(), "You are here")],
)
async def test_how_it_was_said_is_read_with_what_was_said(settings: PipelineSettings, read: str) -> None:
    async with talk(["You are here"], ["I am."], settings=settings) as conversation:
        await conversation.do(Audio(ASKED.astype(np.float32)))
        await conversation.until(ResponseDone)
        assert conversation.prompt(0) == [read]
        assert [event.final for event in conversation.all(Transcribed) if event.final] == ["You are here"]


async def test_the_person_is_known_from_turn_to_turn() -> None:
    soft = np.concatenate((voice((120, 120), level=0.8), silence(12_000))).astype(np.float32)
    loud = np.concatenate((voice((120, 120), level=1.8), silence(12_000))).astype(np.float32)
    async with talk(["One.", "Two.", "Three."], ["A.", "B.", "C."], settings=NOTED) as conversation:
        for turn in (soft, soft, loud):
            await conversation.do(Audio(turn))
            await conversation.until(ResponseDone)
            await conversation.settled()
            await conversation.be_silent(1)
        assert conversation.prompt(2)[-1] == "Three. (said loudly)"
        assert conversation.prompt(2)[0] == "One."
