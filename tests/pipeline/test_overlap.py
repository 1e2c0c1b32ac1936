"""Speech over the agent's voice, in virtual time: what the listener hears, and what becomes of the answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from pipeline.audio import INPUT_RATE, Resampler
from pipeline.commands import Audio, Cancel, Clear, Hush, Update
from pipeline.events import ItemTruncated, OutputAudio, Playback, ResponseDone, SpeechStarted
from tests.pipeline.talk import SETTINGS, Talk, talk
from tests.pipeline.test_agent import TEN_WORDS, answered


@asynccontextmanager
async def speaking(overheard: str, listened_s: float = 0.6) -> AsyncIterator[Talk]:
    """An agent that has said the first words of ten, and what it will make of words said over it."""
    async with talk(["Count to ten.", "And then?"], [TEN_WORDS, "Fine."]) as conversation:
        conversation.encoder.overheard = overheard
        await conversation.ask()
        await answered(conversation)
        await conversation.be_silent(listened_s)
        await conversation.settled()
        conversation.forget()
        yield conversation


def playback(conversation: Talk) -> list[str]:
    return [event.state for event in conversation.all(Playback)]


async def break_in(conversation: Talk, seconds: float) -> None:
    """Speak over the voice, and be silent until it is clear what that was."""
    await conversation.break_in(seconds)
    for _ in range(2):
        await conversation.be_silent(0.3)
        await conversation.settled()


async def test_a_backchannel_lets_the_voice_dip_and_wait_and_go_on() -> None:
    async with speaking("Uh-huh, right.") as conversation:
        await break_in(conversation, 0.6)
        assert playback(conversation) == ["ducked", "paused", "full"]
        assert not conversation.all(SpeechStarted)
        assert not conversation.all(ItemTruncated)


async def test_a_cough_lets_the_voice_dip_and_wait_and_go_on() -> None:
    async with speaking("") as conversation:
        await break_in(conversation, 0.3)
        assert playback(conversation) == ["ducked", "paused", "full"]


async def test_a_click_only_lets_it_dip() -> None:
    async with speaking("") as conversation:
        await conversation.do(Audio(np.concatenate((np.full(700, 0.2, np.float32), np.zeros(6_000, np.float32)))))
        await conversation.settled()
        assert playback(conversation) == ["ducked", "full"]


async def test_words_stop_it_and_the_time_that_it_waited_was_not_heard() -> None:
    async with speaking("Wait a moment.", listened_s=0.9) as conversation:
        await break_in(conversation, 1.0)
        (cut,) = conversation.all(ItemTruncated)
        assert cut.heard_s == pytest.approx(0.9 + 0.1, abs=0.25)
        kinds = [kind for kind in conversation.kinds() if kind != "Refused"]
        assert kinds[:4] == ["Playback", "ItemTruncated", "SpeechStarted", "Playback"]
        assert playback(conversation) == ["ducked", "paused", "full"]


async def test_after_a_backchannel_the_answer_is_heard_to_its_end() -> None:
    async with speaking("Yeah.") as conversation:
        await break_in(conversation, 0.5)
        await conversation.be_silent(3)
        await conversation.ask()
        await answered(conversation)
        assert TEN_WORDS in conversation.prompt(1)


async def test_a_yes_at_the_end_of_the_answer_is_a_turn() -> None:
    async with speaking("Yes.", listened_s=1.6) as conversation:
        await break_in(conversation, 0.4)
        assert conversation.all(SpeechStarted)
        assert playback(conversation) == []


async def test_a_listener_that_plays_on_is_reckoned_to() -> None:
    async with speaking("Stop it now.") as conversation:
        conversation.follows = False
        await break_in(conversation, 0.5)
        (cut,) = conversation.all(ItemTruncated)
        assert cut.heard_s > 1.0


@pytest.mark.parametrize("command", [Cancel(), Hush(), Clear(), Update(SETTINGS)])
async def test_the_voice_never_stays_held(command: Cancel | Hush | Clear | Update) -> None:
    async with speaking("Mm-hmm.") as conversation:
        await conversation.break_in(0.3)
        await conversation.do(command)
        for _ in range(3):
            await conversation.be_silent(0.3)
            await conversation.settled()
        assert playback(conversation)[-1] == "full"


@pytest.mark.parametrize("delay_s", [0.03, 0.2, 0.5])
async def test_its_own_echo_does_not_stop_it(delay_s: float) -> None:
    async with talk(["Count to ten."], [TEN_WORDS]) as conversation:
        conversation.encoder.overheard = "Two three four."
        await conversation.ask()
        await answered(conversation)
        sound = np.concatenate([event.pcm for event in conversation.all(OutputAudio)])
        resampler = Resampler(24_000, INPUT_RATE)
        echo = np.concatenate((resampler.push(sound), resampler.push(sound[:0], last=True)))
        # Loud enough for the scripted detector, which takes -20 dB of this voice for silence.
        late = np.concatenate((np.zeros(round(delay_s * INPUT_RATE), np.float32), echo))
        for start in range(0, len(late), 320):
            await conversation.do(Audio(late[start : start + 320]))
        await conversation.settled()
        await asyncio.sleep(0)
        assert "paused" not in playback(conversation)
        assert len(conversation.all(SpeechStarted)) == 1
        assert [event.status for event in conversation.all(ResponseDone)] == ["completed"]
