"""Speech over the agent's voice, in virtual time: what the listener hears, and what becomes of the answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from audio.pcm import INPUT_RATE
from audio.resampler import Resampler
from pipeline.commands import Audio, Cancel, Clear, Hush, SemanticVad, Update
from pipeline.conversation.rendering import STOPPED
from pipeline.events import (
    HeardOverAnswer,
    ItemAdded,
    ItemTruncated,
    OutputAudio,
    Playback,
    ResponseDone,
    SpeechStarted,
    Transcribed,
)
from pipeline.listening.vad import FRAME_SAMPLES
from tests.support.talk import SETTINGS, TEN_WORDS, Talk, answered, talk

WORD_S = 0.2


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
    """Speak over the voice, and be silent until it is clear what that was. Nothing that is looked at takes time."""
    for _ in range(round(seconds * 10)):
        await conversation.break_in(0.1)
        await conversation.settled()
    for _ in range(6):
        await conversation.be_silent(0.1)
        await conversation.settled()


async def test_a_backchannel_lets_the_voice_dip_and_wait_and_go_on() -> None:
    async with speaking("Uh-huh, right.") as conversation:
        await break_in(conversation, 0.4)
        assert playback(conversation) == ["ducked", "paused", "full"]
        assert not conversation.all(SpeechStarted)
        assert not conversation.all(ItemTruncated)


@pytest.mark.parametrize("overheard", ["Uh-huh, right.", ""])
async def test_the_voice_goes_on_at_the_beginning_of_a_word(overheard: str) -> None:
    """Wherever in a word it was held: of two interruptions alike, the words after the first begin at the same time."""
    into_a_word = set[float]()
    for frames in range(19, 25):
        async with speaking(overheard, frames * FRAME_SAMPLES / INPUT_RATE) as conversation:
            await break_in(conversation, 0.3)
            (resumed,) = [event.resumed for event in conversation.all(Playback) if event.resumed]
            assert resumed.words[0][1] - resumed.words[0][0] == WORD_S * resumed.rate
            await conversation.do(Hush())
            cut = await conversation.until(ItemTruncated)
            assert cut.item_id == resumed.item_id
            into_a_word.add(round(cut.heard_s % WORD_S, 3))
    assert len(into_a_word) == 1


async def test_nothing_is_said_again_where_the_voice_was_not_held() -> None:
    async with speaking("Uh-huh.") as conversation:
        await conversation.break_in(0.05)
        await conversation.be_silent(0.5)
        await conversation.settled()
        assert [event.resumed for event in conversation.all(Playback)] == [None, None]


async def test_a_cough_lets_the_voice_dip_and_wait_and_go_on() -> None:
    async with speaking("") as conversation:
        await break_in(conversation, 0.3)
        assert playback(conversation) == ["ducked", "paused", "full"]


async def test_a_long_hum_is_heard_out_beside_a_quiet_voice() -> None:
    async with speaking("Mmm.") as conversation:
        await break_in(conversation, 1.2)
        assert playback(conversation) == ["ducked", "paused", "ducked", "full"]
        assert not conversation.all(SpeechStarted)


async def test_words_that_take_no_floor_are_kept_for_the_next_turn() -> None:
    async with speaking("Thank you.") as conversation:
        await break_in(conversation, 0.5)
        (added,) = conversation.all(ItemAdded)
        (heard,) = conversation.all(Transcribed)
        assert (heard.item_id, heard.final) == (added.item.id, "Thank you.")
        await conversation.be_silent(3)
        await conversation.ask()
        await answered(conversation)
        assert conversation.prompt(1) == ["Count to ten.", TEN_WORDS, "Thank you.", "And then?"]


@pytest.mark.parametrize("words", ["Wait, stop!", "Um, can you please stop?", "Okay, okay, that's enough."])
async def test_who_asks_for_silence_gets_it_and_it_is_remembered(words: str) -> None:
    async with talk(["Count to ten.", "And then?"], [TEN_WORDS, "Fine."]) as conversation:
        conversation.encoder.overheard = words
        await conversation.ask()
        await answered(conversation)
        await conversation.be_silent(0.9)
        await break_in(conversation, 0.9)
        await conversation.be_silent(1)
        await conversation.settled()
        (cut,) = conversation.all(ItemTruncated)
        assert len(conversation.decoder.prompts) == 1, "nothing answers it"
        await conversation.ask()
        await answered(conversation)
        question, said, stopped, following = conversation.prompt(1)
        assert (question, stopped, following) == ("Count to ten.", words, "And then?")
        assert said.endswith(STOPPED), "the model knows that it was stopped"
        assert TEN_WORDS.startswith(said.removesuffix(STOPPED).rstrip("."))
        assert cut.heard_s > 0


@pytest.mark.parametrize(("after_s", "prompts"), [(1.0, 1), (5.0, 2)])
async def test_a_stop_just_after_the_voice_is_not_answered_either(after_s: float, prompts: int) -> None:
    async with talk(["Hello.", "Stop."], ["Hi.", "What should I stop?"]) as conversation:
        await conversation.ask()
        await answered(conversation)
        await conversation.be_silent(2 + after_s)
        await conversation.ask()
        await conversation.settled()
        assert len(conversation.decoder.prompts) == prompts


async def test_who_stops_it_and_wants_something_else_is_answered() -> None:
    words = "Stop, what is the capital of France?"
    async with talk(["Count to ten."], [TEN_WORDS, "Paris."]) as conversation:
        conversation.encoder.overheard = words
        await conversation.ask()
        await answered(conversation)
        await conversation.be_silent(0.9)
        await break_in(conversation, 1.2)
        await conversation.be_silent(1)
        await answered(conversation)
        assert conversation.prompt(1)[-1] == words


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
        kinds = [kind for kind in conversation.kinds() if kind not in ("HeardOverAnswer", "Refused")]
        assert kinds[:4] == ["Playback", "SpeechStarted", "ItemTruncated", "Playback"]
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
        await conversation.do(Update(replace(SETTINGS, turn_detection=SemanticVad())))
        await break_in(conversation, 0.5)
        (cut,) = conversation.all(ItemTruncated)
        assert cut.heard_s > 1.0


async def test_with_server_vad_a_listener_that_plays_on_is_stopped_as_soon_as_speech_starts() -> None:
    async with speaking("Mm-hmm.", listened_s=0.6) as conversation:
        conversation.follows = False
        await break_in(conversation, 0.2)
        (cut,) = conversation.all(ItemTruncated)
        assert cut.heard_s == pytest.approx(0.6 + 0.1, abs=0.07)
        assert len(conversation.all(SpeechStarted)) == 1


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


async def test_what_is_said_over_the_voice_is_shown_while_it_is_open_what_it_means() -> None:
    async with speaking("Yeah.") as conversation:
        await break_in(conversation, 0.5)
        assert {event.text for event in conversation.all(HeardOverAnswer)} == {"Yeah."}
        assert not conversation.all(SpeechStarted)
