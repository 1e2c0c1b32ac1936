"""Answers that are begun before the turn is decided: heard at once if it was the end, never heard of if it was not."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.pcm import Pcm
from pipeline.commands import RetrieveItem, SemanticVad
from pipeline.conversation.items import Message
from pipeline.decoders.decoder import ToolCall
from pipeline.events import (
    OutputAdded,
    OutputAudio,
    ResponseDone,
    ResponseStarted,
    SpeechStopped,
    Transcribed,
)
from pipeline.settings import PipelineSettings, TurnSettings
from tests.support.talk import SETTINGS, Talk, talk

SEMANTIC = replace(SETTINGS, turn_detection=SemanticVad())
PATIENT = PipelineSettings(turn=TurnSettings(complete_s=0.3, incomplete_s=1.6))


async def considered(conversation: Talk, times: int) -> None:
    """Wait until so many answers have been begun, told or not."""
    async with asyncio.timeout(60):
        while len(conversation.decoder.prompts) < times:
            await asyncio.sleep(0)


async def test_an_answer_is_begun_in_the_pause_and_heard_when_the_turn_is_decided() -> None:
    async with talk(["Hello there."], ["Nice to meet you."]) as conversation:
        await conversation.speak(1)
        await conversation.be_silent(0.3)
        await considered(conversation, 1)
        assert not conversation.all(ResponseStarted), "nobody may hear of it yet"
        assert conversation.prompt(0) == ["Hello there."]
        await conversation.be_silent(0.3)
        done = await conversation.until(ResponseDone)
        assert done.status == "completed"
        assert len(conversation.decoder.prompts) == 1, "the answer was not begun twice"


async def test_a_withdrawn_answer_leaves_no_trace() -> None:
    call = ToolCall("clock", "{}")
    async with talk(["I would like", "I would like tea."], [call, "With milk?"]) as conversation:
        await conversation.speak(1)
        await conversation.be_silent(0.3)
        await considered(conversation, 1)
        assert conversation.kinds() == ["SpeechStarted"]
        await conversation.speak(1)
        await conversation.be_silent(0.7)
        done = await conversation.until(ResponseDone)
        assert conversation.prompt(1) == ["I would like tea."]
        assert [item.id for item in done.outputs] == [event.item.id for event in conversation.all(OutputAdded)]
        assert len(conversation.all(ResponseStarted)) == len(conversation.all(ResponseDone)) == 1
        (heard,) = conversation.all(Transcribed)
        assert heard.final == "I would like tea."
        (message,) = done.outputs
        assert isinstance(message, Message)
        assert message.text == "With milk?"


@settings(max_examples=25)
@given(st.lists(st.floats(0.1, 0.45), max_size=5))
def test_however_often_the_person_pauses_only_the_last_answer_is_heard(pauses_s: list[float]) -> None:
    async def scene() -> None:
        looks = len(pauses_s) + 1
        heard = [f"Words {n}." for n in range(looks)]
        answers = [f"Answer {n} of many." for n in range(looks)]
        async with talk(heard, answers) as conversation:
            for number, pause_s in enumerate(pauses_s):
                await conversation.speak(0.5)
                await conversation.be_silent(pause_s)
                await considered(conversation, number + 1)
            await conversation.ask()
            await conversation.until(ResponseDone)
            assert len(conversation.all(SpeechStopped)) == 1
            (started,) = conversation.all(ResponseStarted)
            assert {event.response_id for event in conversation.all(OutputAudio)} == {started.response_id}
            assert conversation.prompt(looks - 1) == [f"Words {looks - 1}."]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("probability", "words", "silence_s", "ends"),
    [
        (0.9, "What time is it?", 0.4, True),
        (0.0, "What time is?", 1.5, False),
        (0.0, "What time is?", 1.7, True),
        (0.9, "What time is, um.", 1.5, False),
        (0.1, "Perhaps.", 0.4, False),
        (0.1, "Perhaps.", 1.5, True),
        (None, "The decoder can't tell.", 0.4, False),
        (None, "The decoder can't tell.", 0.6, True),
    ],
)
async def test_the_wait_depends_on_the_words(
    probability: float | None, words: str, silence_s: float, ends: bool
) -> None:
    async with talk([words], ["Noted."], session=SEMANTIC, settings=PATIENT) as conversation:
        conversation.decoder.end_of_turn = probability
        await conversation.speak(1)
        await conversation.be_silent(0.1)
        await considered(conversation, 1)
        await conversation.be_silent(silence_s - 0.1)
        assert conversation.decoder.read[-1] == words.rstrip(".?")
        await conversation.settled()
        assert bool(conversation.all(SpeechStopped)) is ends


async def test_the_decoder_reads_along_while_the_person_speaks() -> None:
    async with talk(["Whatever."], ["Fine."], session=SEMANTIC) as conversation:
        conversation.encoder.partial = "A long story so far"
        conversation.decoder.end_of_turn = 0.0
        await conversation.speak(3)
        await conversation.settled()
        assert "A long story so far" in conversation.decoder.read
        captions = [event.delta for event in conversation.all(Transcribed)]
        assert "".join(captions) == "A long story so far"


@asynccontextmanager
async def read_so_far(
    words: str, then: str, *answers: str, probability: float = 0.1
) -> AsyncIterator[tuple[Talk, threading.Event]]:
    """A pause after `words` were read, during which the last look finds `then`, once the event allows it."""
    async with talk([then], list(answers), session=SEMANTIC, settings=PATIENT, threads=2) as conversation:
        conversation.encoder.partial = words
        conversation.encoder.hold = last_look = threading.Event()
        conversation.decoder.end_of_turn = probability
        try:
            await conversation.speak(2)
            await conversation.settled()
            assert words in conversation.decoder.read
            await conversation.be_silent(0.1)
            yield conversation, last_look
        finally:
            last_look.set()


async def test_what_was_read_is_answered_while_the_last_look_is_taken() -> None:
    async with read_so_far("what time is it", "What time is it?", "Noon.") as (conversation, last_look):
        await considered(conversation, 1)
        assert conversation.prompt(0) == ["what time is it"]
        last_look.set()
        assert (await conversation.silent_until(ResponseDone)).status == "completed"
        assert len(conversation.decoder.prompts) == 1, "the answer was not begun twice"
        (heard,) = [event.final for event in conversation.all(Transcribed) if event.final is not None]
        assert heard == "What time is it?"


async def test_an_answer_to_words_that_turn_out_otherwise_leaves_no_trace() -> None:
    async with read_so_far("what time is", "What time is lunch?", "It is now.", "At noon.") as (
        conversation,
        last_look,
    ):
        await considered(conversation, 1)
        last_look.set()
        await considered(conversation, 2)
        assert conversation.prompt(1) == ["What time is lunch?"]
        await conversation.be_silent(0.4)
        (message,) = (await conversation.until(ResponseDone)).outputs
        assert isinstance(message, Message)
        assert message.text == "At noon."
        assert len(conversation.all(ResponseStarted)) == 1


async def test_what_is_probably_all_is_answered_while_the_person_speaks() -> None:
    async with talk(["What time is it?"], ["Noon."], session=SEMANTIC, settings=PATIENT) as conversation:
        conversation.encoder.partial = "What time is it"
        conversation.decoder.end_of_turn = 0.9
        await conversation.speak(2)
        await considered(conversation, 1)
        assert conversation.kinds() == ["SpeechStarted", "Transcribed"], "nobody may hear of it yet"
        await conversation.be_silent(0.1)
        await conversation.settled()
        await conversation.be_silent(0.4)
        done = await conversation.until(ResponseDone)
        assert done.status == "completed"
        assert len(conversation.decoder.prompts) == 1, "the answer was not begun twice"
        assert done.timeline.since_speech_ended()["first_token"] == 0


async def test_looking_at_an_item_withdraws_nothing() -> None:
    async with talk(["Hello there."], ["Nice to meet you."]) as conversation:
        await conversation.speak(1)
        await conversation.be_silent(0.3)
        await considered(conversation, 1)
        await conversation.do(RetrieveItem("unknown"))
        await conversation.be_silent(0.3)
        assert (await conversation.until(ResponseDone)).status == "completed"
        assert len(conversation.decoder.prompts) == 1, "the answer was not begun twice"


async def test_more_words_withdraw_the_answer_to_those_before() -> None:
    heard, answers = ["What time is lunch?"], ["It is now.", "At noon."]
    async with talk(heard, answers, session=SEMANTIC, settings=PATIENT) as conversation:
        conversation.encoder.partial = "What time is it"
        conversation.decoder.end_of_turn = 0.9
        await conversation.speak(2)
        await considered(conversation, 1)
        conversation.encoder.partial = "What time is lunch"
        await conversation.speak(1)
        await considered(conversation, 2)
        assert conversation.prompt(1) == ["What time is lunch"]
        await conversation.be_silent(0.1)
        await conversation.settled()
        await conversation.be_silent(0.4)
        (message,) = (await conversation.until(ResponseDone)).outputs
        assert isinstance(message, Message)
        assert message.text == "At noon."
        assert len(conversation.all(ResponseStarted)) == 1


async def test_words_that_are_hardly_all_wait_for_the_last_look() -> None:
    async with read_so_far("what time", "What time is it?", "Noon.", probability=0.001) as (conversation, last_look):
        await conversation.settled()
        assert not conversation.decoder.prompts
        conversation.decoder.end_of_turn = 0.9
        last_look.set()
        await considered(conversation, 1)
        assert conversation.prompt(0) == ["What time is it?"]


async def test_without_speculation_the_answer_begins_when_the_turn_is_decided() -> None:
    careful = PipelineSettings(turn=TurnSettings(speculate=False))
    async with talk(["Hello."], ["Hi."], settings=careful) as conversation:
        await conversation.speak(1)
        await conversation.be_silent(0.3)
        await conversation.settled()
        assert not conversation.decoder.prompts
        await conversation.be_silent(0.3)
        assert (await conversation.until(ResponseDone)).status == "completed"


class Undecided:
    """A second opinion that is surer with every look; `heard` are the samples of each."""

    def __init__(self, *probabilities: float) -> None:
        self._probabilities = list(probabilities)
        self.heard: list[int] = []

    def probability(self, pcm: Pcm) -> float:
        self.heard.append(len(pcm))
        return self._probabilities.pop(0)


async def test_the_sound_is_judged_again_while_the_silence_grows() -> None:
    opinion = Undecided(0.01, 0.99)
    async with talk(["Perhaps."], ["Yes."], session=SEMANTIC, settings=PATIENT, doubt=opinion) as conversation:
        conversation.decoder.end_of_turn = 0.4
        await conversation.speak(1)
        await conversation.be_silent(0.3)
        await conversation.settled()
        assert len(opinion.heard) == 1
        await conversation.be_silent(0.3)
        await conversation.settled()
        assert opinion.heard[1] - opinion.heard[0] == pytest.approx(0.3 * 16_000, abs=600)
        await conversation.be_silent(0.3)
        await conversation.settled()
        assert conversation.all(SpeechStopped)


@pytest.mark.parametrize(("probability", "looks"), [(0.9, 1), (0.001, 2)])
async def test_while_the_words_are_awaited_the_sound_is_judged_once(probability: float, looks: int) -> None:
    opinion = Undecided(0.99, 0.99)
    async with talk(
        ["What time is it?"], ["Noon."], session=SEMANTIC, settings=PATIENT, doubt=opinion, threads=2
    ) as conversation:
        conversation.encoder.hold = last_look = threading.Event()
        conversation.decoder.end_of_turn = probability
        try:
            await conversation.speak(1)
            await conversation.be_silent(0.7)
            await conversation.settled()
            assert len(opinion.heard) == 1
        finally:
            last_look.set()
        await considered(conversation, 1)
        await conversation.settled()
        assert len(opinion.heard) == looks, "judged again where the words leave it open"


async def test_a_second_opinion_that_fails_leaves_it_to_the_words() -> None:
    async with talk(["What is it?"], ["Noon."], session=SEMANTIC, settings=PATIENT, doubt=Undecided()) as conversation:
        conversation.decoder.end_of_turn = 0.9
        await conversation.speak(1)
        await conversation.be_silent(0.3)
        await conversation.settled()
        await conversation.be_silent(0.2)
        await conversation.settled()
        assert conversation.all(SpeechStopped)


async def test_a_second_opinion_can_make_it_wait() -> None:
    class Doubtful:
        def probability(self, pcm: Pcm) -> float:
            return 0.001

    async with talk(
        ["Tell me the time."], ["Noon."], session=SEMANTIC, settings=PATIENT, doubt=Doubtful()
    ) as conversation:
        conversation.decoder.end_of_turn = 0.2
        await conversation.speak(1)
        await conversation.be_silent(0.1)
        await considered(conversation, 1)
        await conversation.be_silent(1)
        await conversation.settled()
        assert not conversation.all(SpeechStopped)
