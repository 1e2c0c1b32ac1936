"""What clients rely on in answers: events that are snapshots, answers out of band, instructions, silence, speed."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pipeline.commands import AddItem, DeleteItem, ItemReference, Modality, Respond, RetrieveItem, Update
from pipeline.conversation.items import FunctionCall, Message
from pipeline.decoders.decoder import ToolCall
from pipeline.events import (
    ItemAdded,
    ItemDone,
    ItemRetrieved,
    OutputAdded,
    OutputAudio,
    OutputDone,
    Refused,
    ResponseDone,
    Updated,
)
from pipeline.voice_catalogue import VoiceCatalogue
from tests.support.scripted import ScriptedSynthesizer, ScriptedVoice
from tests.support.talk import SETTINGS, Talk, talk
from tts.synthesizer import Clause, Speech, Voice

BY_HAND = replace(SETTINGS, turn_detection=None)
TEN_WORDS = "One two three, four five six seven eight nine ten."


async def answered(conversation: Talk) -> ResponseDone:
    return await conversation.until(ResponseDone)


async def test_a_tool_call_begins_empty_and_in_progress_and_is_complete_when_it_is_done() -> None:
    call = ToolCall("clock", '{"zone": "UTC"}')
    async with talk(["What time is it?"], [call]) as conversation:
        await conversation.ask()
        await answered(conversation)
        (added,) = conversation.all(OutputAdded)
        (done,) = conversation.all(OutputDone)
        (item,) = [event.item for event in conversation.all(ItemAdded) if isinstance(event.item, FunctionCall)]
        for began in (added.item, item):
            assert isinstance(began, FunctionCall)
            assert (began.status, began.arguments) == ("in_progress", "")
        assert isinstance(done.item, FunctionCall)
        assert (done.item.status, done.item.arguments) == ("completed", '{"zone": "UTC"}')


async def test_a_spoken_turn_is_committed_before_its_words_are_told() -> None:
    async with talk(["Hello there."], ["Hi."]) as conversation:
        await conversation.ask()
        await answered(conversation)
        added, done = conversation.all(ItemAdded)[0].item, conversation.all(ItemDone)[0].item
        assert isinstance(added, Message)
        assert isinstance(done, Message)
        assert added.text is None
        assert done.text is None
        await conversation.do(RetrieveItem(added.id))
        item = (await conversation.until(ItemRetrieved)).item
        assert isinstance(item, Message)
        assert item.text == "Hello there."


async def test_an_answer_out_of_band_waits_for_no_other_and_takes_the_floor_from_none() -> None:
    aside = Respond(modality="text", input=(ItemReference("a"),), into_conversation=False)
    async with talk(["Hello."], [TEN_WORDS, "Aside."], session=BY_HAND) as conversation:
        await conversation.do(AddItem(Message("a", "user", "Count.")), Respond(), aside)
        done = {event.response_id: event for event in [await answered(conversation), await answered(conversation)]}
        texts = {message.text for event in done.values() for message in event.outputs if isinstance(message, Message)}
        assert {event.status for event in done.values()} == {"completed"}
        assert texts == {TEN_WORDS, "Aside."}
        assert not conversation.all(Refused)
        assert conversation.prompt(1) == ["Count."]


async def test_a_reference_to_an_item_that_is_not_there_is_refused() -> None:
    async with talk() as conversation:
        await conversation.do(Respond(input=(ItemReference("gone"),), event_id="e"))
        refused = await conversation.until(Refused)
        assert (refused.code, refused.param, refused.event_id) == (
            "item_reference_invalid_item_id",
            "response.input",
            "e",
        )


async def test_an_item_that_is_deleted_after_it_was_referred_to_is_still_answered() -> None:
    aside = Respond(modality="text", input=(ItemReference("a"),), into_conversation=False)
    async with talk(["Hello."], ["Aside."], session=BY_HAND) as conversation:
        await conversation.do(AddItem(Message("a", "user", "Count.")), aside, DeleteItem("a"))
        done = await answered(conversation)
        assert done.status == "completed"
        assert conversation.prompt(0) == ["Count."]


async def test_instructions_alone_are_the_cue_for_an_answer() -> None:
    async with talk(["Hello."], ["Hi.", "One more thing."]) as conversation:
        await conversation.ask()
        await answered(conversation)
        await conversation.do(Respond(instructions="Tell them one more thing."))
        await answered(conversation)
        assert conversation.prompt(1) == ["Hello.", "Hi.", "Tell them one more thing."]


async def test_an_empty_answer_reports_that_nothing_was_written() -> None:
    async with talk(["Hello."], [""]) as conversation:
        await conversation.ask()
        done = await answered(conversation)
        assert done.status == "failed"
        assert done.error is not None
        assert "nothing" in done.error


async def test_an_answer_without_a_sound_is_explained_aloud() -> None:
    async with talk(["Hello."], ["\N{SLIGHTLY SMILING FACE}"]) as conversation:
        await conversation.ask()
        done = await answered(conversation)
        assert done.status == "completed"
        assert any(len(event.pcm) for event in conversation.events if isinstance(event, OutputAudio))


class PacedVoice(ScriptedVoice):
    """At `speed`, every word is so much shorter."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def at_speed(self, speed: float) -> "PacedVoice":
        return PacedVoice(speed)

    def speak(self, clause: Clause) -> Iterator[Speech]:
        for speech in super().speak(clause):
            yield Speech(speech.pcm[: round(len(speech.pcm) / self._speed)], speech.words)


class PacedSynthesizer(ScriptedSynthesizer):
    def open(self, voice: str) -> Voice:
        super().open(voice)
        return PacedVoice()


@pytest.mark.parametrize(
    ("synthesizer", "in_force"), [(PacedSynthesizer(), 1.25), (ScriptedSynthesizer(), 1.0)], ids=["paced", "as it is"]
)
async def test_the_speed_is_in_force_where_the_voice_can_be_paced(
    synthesizer: ScriptedSynthesizer, in_force: float
) -> None:
    async with talk(["Hello."], ["Nice to meet you."], choir=VoiceCatalogue.of(synthesizer)) as conversation:
        await conversation.do(Update(replace(SETTINGS, speed=1.25)))
        assert (await conversation.until(Updated)).settings.speed == in_force
        await conversation.ask()
        await answered(conversation)
        seconds = sum(len(event.pcm) for event in conversation.all(OutputAudio)) / SETTINGS.output_rate
        assert seconds == pytest.approx(4 * 0.2 / in_force, abs=0.01)


@pytest.mark.parametrize("modality", ["audio", "text"])
async def test_an_answer_that_loops_is_complete_in_every_place_and_counts_its_tokens(
    modality: Modality,
) -> None:
    asked, round_ = "Hello?", "I am happy to help you. "
    async with talk([], [round_ * 20], session=BY_HAND) as conversation:
        await conversation.do(AddItem(Message("a", "user", asked)), Respond(modality=modality))
        done = await answered(conversation)
        (message,) = done.outputs
        assert isinstance(message, Message)
        assert (done.status, message.status) == ("completed", "completed")
        assert message.text == (round_ * 2).strip()
        assert done.usage.input_tokens == 10
        assert len(round_.split()) * 3 <= done.usage.output_tokens <= len(round_.split()) * 4


async def test_words_that_the_user_asked_to_repeat_are_all_said() -> None:
    async with talk([], ["Hello. " * 20], session=BY_HAND) as conversation:
        await conversation.do(AddItem(Message("a", "user", "Say hello twenty times.")), Respond(modality="text"))
        (message,) = (await answered(conversation)).outputs
        assert isinstance(message, Message)
        assert message.text == ("Hello. " * 20)
