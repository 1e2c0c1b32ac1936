"""Turns of a decoder that hears: it reads sound; words are for captions, the history and the end of the turn."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import numpy as np

from audio.pcm import Pcm
from pipeline.commands import AddItem, Respond, SemanticVad, SessionSettings
from pipeline.conversation.items import Message
from pipeline.encoders.audio_units import Clip
from pipeline.events import ResponseDone, ResponseStarted, Transcribed, TranscriptionFailed
from pipeline.listening.smart_turn import SecondOpinion
from pipeline.settings import DecoderSettings, PipelineSettings
from tests.support.scripted import ScriptedDecoder, ScriptedEar
from tests.support.talk import SETTINGS, Talk, talk

SEMANTIC = replace(SETTINGS, turn_detection=SemanticVad())


def hearing(
    heard: Sequence[str | Exception],
    answers: Sequence[str],
    ear: ScriptedEar | None = None,
    session: SessionSettings = SETTINGS,
    settings: PipelineSettings | None = None,
    doubt: SecondOpinion | None = None,
) -> AbstractAsyncContextManager[Talk]:
    decoder = ScriptedDecoder(answers)
    decoder.audio_encoder = ear or ScriptedEar()
    return talk(heard, session=session, settings=settings, doubt=doubt, decoder=decoder)


def sound(conversation: Talk, number: int) -> list[Clip]:
    """What the answer of that number was asked on."""
    return [unit for unit in conversation.decoder.prompts[number] if isinstance(unit, Clip)]


def seconds(clips: list[Clip]) -> float:
    return sum(len(clip.pcm) for clip in clips) / 16_000


async def short_turn(conversation: Talk) -> None:
    """One that is over after less than a fixed silence."""
    await conversation.speak(1)
    await conversation.be_silent(0.25)  # in which its sound is judged
    await conversation.settled()
    await conversation.be_silent(0.2)
    await conversation.until(ResponseDone)


async def test_it_answers_the_sound_and_the_words_are_told() -> None:
    async with hearing(["Hello there."], ["Nice to meet you."]) as conversation:
        await conversation.ask()
        await conversation.until(ResponseDone)
        assert conversation.prompt(0) == []
        assert 1 <= seconds(sound(conversation, 0)) <= 1.5
        (heard,) = conversation.all(Transcribed)
        assert heard.final == "Hello there."


async def test_it_reads_along_what_is_certain_and_that_is_not_read_again() -> None:
    async with hearing(["A long story."], ["I see."], session=SEMANTIC) as conversation:
        for _ in range(4):
            await conversation.speak(0.5)
            await conversation.settled()
        along = list(conversation.decoder.read_sound)
        assert len(along) >= 2
        await conversation.be_silent(2)
        await conversation.until(ResponseDone)
        assert set(along) <= set(sound(conversation, 0)), "the very same objects, which a KV cache holds already"


async def test_what_comes_before_a_turn_is_read_before_anything_in_it_is_certain() -> None:
    async with hearing(["Hello."], ["Hi."], session=SEMANTIC) as conversation:
        await conversation.settled()
        begun = conversation.decoder.read_before
        await conversation.speak(0.5)
        await conversation.settled()
        assert conversation.decoder.read_before > begun
        assert conversation.decoder.read_sound == []


async def test_an_answer_is_begun_on_the_sound_before_the_words_are_known() -> None:
    async with hearing(["Hello there."], ["Hi."]) as conversation:
        conversation.encoder.hold = threading.Event()
        await conversation.speak(1)
        await conversation.be_silent(0.3)
        async with asyncio.timeout(60):
            while not conversation.decoder.prompts:
                await asyncio.sleep(0)
        conversation.encoder.hold.set()
        await conversation.be_silent(0.4)
        done = await conversation.until(ResponseDone)
        assert done.status == "completed"
        assert len(conversation.decoder.prompts) == 1


async def test_what_has_no_words_is_no_turn() -> None:
    # The cough may be answered before it is known for one; nobody hears of it.
    async with hearing(["", "Hello."], ["Hi.", "Hi."]) as conversation:
        await conversation.ask()
        await conversation.settled()
        assert not conversation.all(ResponseStarted)
        await conversation.ask()
        done = await conversation.until(ResponseDone)
        assert len(conversation.all(ResponseStarted)) == 1
        assert seconds(sound(conversation, -1)) <= 1.7, "the cough is not part of it"
        (message,) = done.outputs
        assert isinstance(message, Message)
        assert message.text == "Hi."


async def test_without_a_recognizer_that_works_it_hears_all_the_same() -> None:
    async with hearing([RuntimeError("broken")], ["I heard you."]) as conversation:
        await conversation.ask()
        done = await conversation.until(ResponseDone)
        assert done.status == "completed"
        assert conversation.all(TranscriptionFailed)


async def test_without_an_ear_that_works_it_reads_the_words() -> None:
    ear = ScriptedEar()
    ear.trouble = RuntimeError("broken")
    async with hearing(["Hello there."], ["Hi."], ear) as conversation:
        await conversation.ask()
        await conversation.until(ResponseDone)
        assert conversation.prompt(0) == ["Hello there."]
        assert sound(conversation, 0) == []


async def test_a_turn_that_takes_half_the_context_is_read_in_words() -> None:
    settings = PipelineSettings(decoder=DecoderSettings(context_tokens=256, max_tokens=20))
    async with hearing(["Well."], ["Oh."], settings=settings) as conversation:
        await conversation.speak(15)
        await conversation.be_silent(0.7)
        await conversation.until(ResponseDone)
        assert conversation.prompt(0) == ["Well."]
        assert sound(conversation, 0) == []


async def test_it_is_asked_on_the_words_whether_the_turn_is_over() -> None:
    async with hearing(["What time is it?", "Thank you."], ["Noon.", "Bye."], session=SEMANTIC) as conversation:
        conversation.decoder.end_of_turn = 1.0
        await short_turn(conversation)
        assert conversation.decoder.read == ["What time is it"]
        await conversation.be_silent(2)
        await short_turn(conversation)
        assert conversation.decoder.read[-1] == "Thank you"


class Sure:
    """A second opinion."""

    def __init__(self, probability: float) -> None:
        self._probability = probability

    def probability(self, pcm: Pcm) -> float:
        return self._probability


async def test_where_it_can_not_tell_the_second_opinion_decides() -> None:
    async with hearing(["I want"], ["Yes?"], session=SEMANTIC, doubt=Sure(0.2)) as conversation:
        await conversation.speak(1)
        await conversation.be_silent(1.2)
        await conversation.settled()
        assert not conversation.all(ResponseStarted), "longer than a fixed silence"
    async with hearing(["What time is it?"], ["Ten."], session=SEMANTIC, doubt=Sure(0.99)) as conversation:
        await short_turn(conversation)


async def test_audio_that_a_client_adds_is_heard_too() -> None:
    async with hearing(["Hello there."], ["Hi."]) as conversation:
        clip = Message("clip", "user", None, spoken=True)
        await conversation.do(AddItem(clip, audio=np.full(16_000, 0.3, np.float32)), Respond())
        await conversation.until(ResponseDone)
        assert seconds(sound(conversation, 0)) == 1
        assert clip.text == "Hello there."


async def test_the_history_keeps_its_sound() -> None:
    async with hearing(["One.", "Two."], ["Uno.", "Dos."]) as conversation:
        await conversation.ask()
        await conversation.until(ResponseDone)
        await conversation.be_silent(1)
        await conversation.ask()
        await conversation.until(ResponseDone)
        assert 2 <= seconds(sound(conversation, 1)) <= 3.5
        assert conversation.prompt(1) == ["Uno."]
