"""The agent around scripted models, in virtual time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.commands import (
    AddItem,
    Audio,
    Cancel,
    Clear,
    Commit,
    DeleteItem,
    Respond,
    RetrieveItem,
    SemanticVad,
    ServerVad,
    Silence,
    TruncateItem,
    Update,
)
from pipeline.conversation.items import FunctionCall, FunctionOutput, Message
from pipeline.conversation.rendering import STOPPED
from pipeline.decoders.decoder import DecoderError, ToolCall, ToolCallUnit, ToolResultUnit, UpstreamError
from pipeline.events import (
    Cleared,
    Committed,
    IdleTimeout,
    ItemRetrieved,
    ItemTruncated,
    OutputAdded,
    OutputAudio,
    Refused,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TranscriptionFailed,
)
from pipeline.settings import PipelineSettings, TurnSettings
from tests.support.scripted import LOUD, OVER, VOICE_RATE, WORD_SAMPLES
from tests.support.talk import SETTINGS, TEN_WORDS, answered, said, talk

BY_HAND = replace(SETTINGS, turn_detection=None)
WORD_S = WORD_SAMPLES / VOICE_RATE


async def test_a_spoken_turn_is_answered_in_the_order_that_clients_rely_on() -> None:
    async with talk(["Hello there."], ["Nice to meet you."]) as conversation:
        await conversation.ask()
        done = await answered(conversation)
        assert conversation.kinds() == [
            "SpeechStarted",
            "SpeechStopped",
            "Committed",
            "ItemAdded",
            "ItemDone",
            "Transcribed",
            "ResponseStarted",
            "OutputAdded",
            "ItemAdded",
            "OutputText",
            "OutputAudio",
            "OutputText",
            "OutputAudio",
            "OutputText",
            "OutputAudio",
            "OutputText",
            "OutputAudio",
            "OutputDone",
            "ItemDone",
            "ResponseDone",
        ]
        assert done.status == "completed"
        (message,) = done.outputs
        assert isinstance(message, Message)
        assert message.text == "Nice to meet you."
        assert said(conversation) == message.text
        assert conversation.prompt(0) == ["Hello there."]


async def test_speech_is_stamped_where_it_is() -> None:
    async with talk(["Hello."], ["Hi."]) as conversation:
        await conversation.be_silent(1)
        await conversation.ask()
        started, stopped = await conversation.until(SpeechStarted), await conversation.until(SpeechStopped)
        assert started.at == pytest.approx(16_000 - 4_800, abs=512)
        assert stopped.at == pytest.approx(32_000, abs=512)
        await answered(conversation)
        (heard,) = conversation.encoder.heard
        assert len(heard) / 16_000 == pytest.approx(0.3 + 1 + 0.5, abs=0.5)


async def test_the_conversation_is_remembered() -> None:
    async with talk(["My name is Ada.", "What is my name?"], ["Hello Ada.", "It is Ada."]) as conversation:
        for _ in range(2):
            await conversation.ask()
            await answered(conversation)
            await conversation.be_silent(3)
        assert conversation.prompt(1) == ["My name is Ada.", "Hello Ada.", "What is my name?"]


@settings(max_examples=40)
@given(st.floats(0.0, 3.0))
@example(0.12)
@example(1.9434)
def test_after_a_barge_in_the_history_holds_exactly_the_played_words(listened_s: float) -> None:
    import asyncio

    async def scene() -> None:
        # Of a frame in which the speech begins only the end is loud: it might be too soft to be the caller's.
        settings = PipelineSettings(turn=TurnSettings(softer_db=0))
        async with talk(["Count to ten."], [TEN_WORDS, "Fine."], settings=settings) as conversation:
            conversation.encoder.overheard = "No, listen."
            await conversation.speak(1)
            # The frame that ends half a second of silence is the last that is sent before the answer is there.
            answer_began = 48 * 512
            await conversation.be_silent(answer_began / 16_000 - 1)
            await answered(conversation)
            await conversation.be_silent(listened_s)
            for _ in range(10):
                await conversation.break_in(0.1)
                await conversation.settled()
            await conversation.be_silent(0.2)
            await conversation.settled()
            await conversation.be_silent(0.5)
            await answered(conversation)
            speech, into_frame = divmod(answer_began + round(listened_s * 16_000), 512)
            loud_enough = (512 - into_frame) / 512 * OVER > LOUD  # for the scripted detector, in the frame it begins in
            onset = speech if loud_enough else speech + 1
            left_s = 10 * WORD_S - ((onset + 1) * 512 - answer_began) / 16_000
            stopped = (onset + (3 if left_s >= 0.5 else 2)) * 512
            played = int((stopped - answer_began) / 16_000 / WORD_S)
            said = " ".join(TEN_WORDS.split()[:played])
            marked = said if played >= 10 else f"{said}{STOPPED}"
            assert conversation.prompt(1) == ["Count to ten.", *([marked] if said else []), "No, listen."]

    asyncio.run(scene())


async def test_a_barge_in_while_the_answer_is_made_cancels_it() -> None:
    import asyncio

    async with talk(["Count."], [TEN_WORDS, "Fine."]) as conversation:
        conversation.encoder.overheard = "No, listen."
        conversation.decoder.hold = asyncio.Event()
        await conversation.ask()
        await conversation.until(OutputAudio)
        await conversation.break_in(0.4)
        await conversation.be_silent(0.1)
        await conversation.settled()
        await conversation.be_silent(0.1)
        done = await answered(conversation)
        assert (done.status, done.reason) == ("cancelled", "turn_detected")
        emitted = len(conversation.all(OutputAudio))
        conversation.decoder.hold.set()
        conversation.decoder.hold = None
        await conversation.be_silent(0.7)
        second = await answered(conversation)
        assert second.status == "completed"
        late = [event for event in conversation.all(OutputAudio)[emitted:] if event.response_id == done.response_id]
        assert not late, "a cancelled answer spoke"


async def test_who_goes_on_before_the_answer_began_is_answered_once_for_both() -> None:
    async with talk(["I would like", "a cup of tea."], ["With milk?"]) as conversation:
        await conversation.do(Audio(np.concatenate([tone(1), tone(0.55, 0), tone(1), tone(0.7, 0)])))
        await answered(conversation)
        assert len(conversation.all(Committed)) == 2
        assert conversation.prompt(0) == ["I would like", "a cup of tea."]


async def test_noise_without_words_is_not_answered() -> None:
    async with talk(["", "Hello."], ["Hi."]) as conversation:
        await conversation.ask()
        heard = await conversation.until(Transcribed)
        assert heard.final == ""
        await conversation.ask()
        await answered(conversation)
        assert conversation.prompt(0) == ["Hello."]


async def test_turns_by_hand() -> None:
    async with talk(["By hand."], ["Understood."], session=BY_HAND) as conversation:
        await conversation.do(Commit("empty"))
        refused = await conversation.until(Refused)
        assert (refused.code, refused.event_id) == ("input_audio_buffer_commit_empty", "empty")
        await conversation.speak(1)
        await conversation.do(Clear())
        await conversation.until(Cleared)
        await conversation.speak(1)
        await conversation.do(Silence(16_000))
        await conversation.speak(1)
        await conversation.do(Commit(), Respond())
        done = await answered(conversation)
        assert done.status == "completed"
        assert [len(heard) for heard in conversation.encoder.heard] == [32_000]
        assert conversation.prompt(0) == ["By hand."]
        assert not conversation.all(SpeechStarted)


async def test_a_microphone_that_stays_open_between_turns_by_hand_is_listened_to_now_and_then() -> None:
    async with talk(["By hand."], ["Understood."], session=BY_HAND) as conversation:
        await conversation.be_silent(20)
        await conversation.settled()
        assert conversation.encoder.pushed <= 20 / 4
        silent = conversation.encoder.pushed
        for _ in range(4):
            await conversation.speak(1)
            await conversation.settled()
        assert conversation.encoder.pushed >= silent + 4
        await conversation.be_silent(1)
        await conversation.do(Commit(), Respond())
        await answered(conversation)
        assert len(conversation.encoder.heard[0]) == pytest.approx(25 * 16_000, abs=512)


async def test_a_turn_by_hand_is_bounded() -> None:
    limits = PipelineSettings(turn=TurnSettings(max_turn_s=5))
    async with talk(["Long."], session=BY_HAND, settings=limits) as conversation:
        await conversation.speak(20)
        assert (await conversation.until(Refused)).code == "input_audio_buffer_full"
        await conversation.do(Commit())
        await conversation.until(Transcribed)
        assert len(conversation.encoder.heard[0]) == pytest.approx(5 * 16_000, abs=8_000)
        assert len(conversation.all(Refused)) == 1


async def test_tools_go_out_and_in() -> None:
    call = ToolCall("clock", '{"zone": "UTC"}')
    async with talk(["What time is it?"], [call, "It is noon."]) as conversation:
        await conversation.ask()
        done = await answered(conversation)
        (item,) = done.outputs
        assert isinstance(item, FunctionCall)
        assert (item.name, item.arguments) == ("clock", '{"zone": "UTC"}')
        await conversation.do(AddItem(FunctionOutput("out", item.call_id, "12:00")), Respond())
        assert (await answered(conversation)).status == "completed"
        units = conversation.decoder.prompts[1]
        assert ToolCallUnit(item.call_id, "clock", '{"zone": "UTC"}') in units
        assert ToolResultUnit(item.call_id, "12:00") in units


async def test_text_in_text_out() -> None:
    async with talk([], ["Written, not *said*."], session=replace(SETTINGS, modality="text")) as conversation:
        await conversation.do(AddItem(Message("a", "user", "Hi.")), Respond(metadata={"k": "v"}))
        done = await answered(conversation)
        (message,) = done.outputs
        assert isinstance(message, Message)
        assert message.text == "Written, not *said*."
        assert not conversation.all(OutputAudio)
        assert conversation.all(ResponseStarted)[0].metadata == {"k": "v"}


async def test_one_answer_at_a_time_and_cancelling() -> None:
    import asyncio

    async with talk([], [TEN_WORDS]) as conversation:
        conversation.decoder.hold = asyncio.Event()
        await conversation.do(Cancel(event_id="early"))
        assert (await conversation.until(Refused)).code == "response_cancel_not_active"
        await conversation.do(AddItem(Message("a", "user", "Count.")), Respond())
        await conversation.until(OutputAudio)
        await conversation.do(Respond(event_id="second"))
        assert (await conversation.until(Refused)).code == "conversation_already_has_active_response"
        await conversation.do(Cancel("resp_other"))
        assert (await conversation.until(Refused)).code == "response_cancel_not_active"
        await conversation.do(Cancel())
        done = await answered(conversation)
        assert (done.status, done.reason) == ("cancelled", "client_cancelled")


async def test_an_answer_out_of_the_conversation_leaves_no_trace() -> None:
    async with talk([], ["Aside.", "Main."]) as conversation:
        aside = Respond(input=(Message("x", "user", "Psst."),), into_conversation=False, modality="text")
        await conversation.do(AddItem(Message("a", "user", "Hi.")), aside)
        await answered(conversation)
        await conversation.do(Respond())
        await answered(conversation)
        assert conversation.prompt(0) == ["Psst."]
        assert conversation.prompt(1) == ["Hi."]


async def test_what_a_failing_server_said_is_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    said = "http://10.0.0.7:8080/v1 gave no answer: invalid key sk-secret"
    async with talk(["One."], [UpstreamError(said)]) as conversation:
        await conversation.ask()
        error = (await answered(conversation)).error
    assert error == "The decoder's server gave no answer; the log of this server says why."
    assert said in caplog.text


async def test_a_failing_decoder_fails_the_answer_and_not_the_session() -> None:
    failures: list[str | ToolCall | Exception] = [DecoderError("the server is down"), ZeroDivisionError(), "Better."]
    async with talk(["One.", "Two.", "Three."], failures) as conversation:
        await conversation.ask()
        assert (await answered(conversation)).error == "the server is down"
        await conversation.be_silent(5)  # while it says that it is sorry
        await conversation.ask()
        failed = await answered(conversation)
        assert (failed.status, failed.error) == ("failed", "internal error: ZeroDivisionError")
        await conversation.ask()
        assert (await answered(conversation)).status == "completed"


async def test_a_failing_encoder_is_reported_and_its_words_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with talk([RuntimeError("out of memory"), "Hello."], ["Hi."]) as conversation:
        await conversation.ask()
        assert (await conversation.until(TranscriptionFailed)).message == "the audio could not be transcribed"
        assert "out of memory" in caplog.text
        await conversation.ask()
        assert (await answered(conversation)).status == "completed"


async def test_items_are_edited() -> None:
    async with talk() as conversation:
        await conversation.do(
            AddItem(Message("a", "user", "One.")), AddItem(Message("b", "user", "Two."), after="root")
        )
        await conversation.do(RetrieveItem("b"), DeleteItem("a"), RetrieveItem("a", "gone"))
        retrieved = await conversation.until(ItemRetrieved)
        assert retrieved.item.id == "b"
        refused = await conversation.until(Refused)
        assert (refused.code, refused.event_id) == ("item_retrieve_invalid_item_id", "gone")
        await conversation.do(TruncateItem("b", 1.0), AddItem(Message("b", "user", "Again.")))
        assert (await conversation.until(Refused)).code == "invalid_value"
        refused = await conversation.until(Refused)
        assert (refused.code, refused.param) == ("item_create_duplicate_item_id", "item.id")
        await conversation.do(AddItem(Message("c", "user", "Third."), after="gone"))
        assert (await conversation.until(Refused)).param == "previous_item_id"


async def test_a_message_given_as_audio_is_transcribed_before_it_is_answered() -> None:
    async with talk(["Spoken before."], ["Indeed."]) as conversation:
        message = Message("a", "user", None, spoken=True)
        await conversation.do(AddItem(message, audio=tone(1)), Respond())
        await answered(conversation)
        assert conversation.prompt(0) == ["Spoken before."]
        assert len(conversation.encoder.heard[0]) == 16_000


async def test_the_client_knows_best_what_was_played() -> None:
    async with talk(["Count."], [TEN_WORDS]) as conversation:
        await conversation.ask()
        added = await conversation.until(OutputAdded)
        await answered(conversation)
        await conversation.do(TruncateItem(added.item.id, 0.65), RetrieveItem(added.item.id))
        assert (await conversation.until(ItemTruncated)).heard_s == 0.65
        item = (await conversation.until(ItemRetrieved)).item
        assert isinstance(item, Message)
        assert item.text == "One two three,"


async def test_a_long_silence_is_answered_if_the_client_wants() -> None:
    waiting = replace(SETTINGS, turn_detection=ServerVad(0.5, 0.3, 0.5, idle_timeout_s=6))
    async with talk(["Hello."], ["Hi.", "Are you still there?"], session=waiting) as conversation:
        await conversation.ask()
        await answered(conversation)
        await conversation.be_silent(20)
        idle = await conversation.until(IdleTimeout)
        assert (idle.end - idle.start) / 16_000 == pytest.approx(6, abs=0.1)
        await answered(conversation)


async def test_an_unknown_voice_is_refused() -> None:
    async with talk() as conversation:
        await conversation.do(Respond(voice="nobody", event_id="e"))
        refused = await conversation.until(Refused)
        assert refused.event_id == "e"
        assert "scripted" in refused.message


async def test_settings_change_between_turns() -> None:
    async with talk(["Hello.", "Bye."], ["Hi.", "Bye."]) as conversation:
        await conversation.ask()
        await answered(conversation)
        await conversation.be_silent(2)
        await conversation.do(Update(replace(SETTINGS, turn_detection=SemanticVad("low"), modality="text")))
        await conversation.speak(1)
        await conversation.be_silent(2)
        assert len(conversation.all(SpeechStopped)) == 1
        await conversation.be_silent(1)
        done = await answered(conversation)
        assert not [event for event in conversation.all(OutputAudio) if event.response_id == done.response_id]


async def test_an_hour_of_silence_costs_nothing() -> None:
    async with talk(["Hello."], ["Hi."]) as conversation:
        for _ in range(360):
            await conversation.do(Silence(10 * 16_000))
        await conversation.ask()
        await answered(conversation)
        assert len(conversation.all(SpeechStarted)) == 1


def tone(seconds: float, level: float = 0.3) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.full(round(seconds * 16_000), level, dtype=np.float32)


async def test_response_create_right_behind_a_turn_is_the_only_answer() -> None:
    async with talk(["Hello."], ["Hi."]) as conversation:
        await conversation.ask()
        await conversation.do(Respond())
        await conversation.settled()
        assert conversation.kinds().count("ResponseStarted") == 1
        refused = {event.code for event in conversation.all(Refused)} - {"item_retrieve_invalid_item_id"}
        assert refused <= {"conversation_already_has_active_response"}


async def test_response_create_in_a_pause_takes_the_place_of_what_was_begun() -> None:
    async with talk(["Hello."], ["Held.", "For both."]) as conversation:
        await conversation.speak(1)
        await conversation.be_silent(0.3)
        await conversation.settled()
        await conversation.do(AddItem(Message("a", "user", "Typed.")), Respond())
        await conversation.settled()
        assert not conversation.all(ResponseStarted)
        await conversation.be_silent(0.4)
        (message,) = (await answered(conversation)).outputs
        assert isinstance(message, Message)
        assert message.text == "For both."
        assert conversation.prompt(1) == ["Typed.", "Hello."]
        await conversation.be_silent(3)
        await conversation.settled()
        assert len(conversation.all(ResponseStarted)) == 1


async def test_push_to_talk_is_answered_once() -> None:
    async with talk(["By hand.", ""], ["Yes."], session=BY_HAND) as conversation:
        await conversation.speak(1)
        await conversation.do(Commit(), Respond())
        await answered(conversation)
        await conversation.be_silent(3)
        await conversation.do(Clear(), Update(SETTINGS))
        await conversation.ask()
        await conversation.settled()
        assert len(conversation.all(ResponseStarted)) == 1


async def test_a_cough_before_the_first_word_does_not_lose_the_question() -> None:
    import asyncio

    async with talk(["What time is it?", ""], ["Never heard", "It is noon."]) as conversation:
        conversation.decoder.hold = asyncio.Event()
        await conversation.ask()
        await conversation.until(ResponseStarted)
        await conversation.speak(0.25)
        assert (await answered(conversation)).status == "cancelled"
        conversation.decoder.hold = None
        await conversation.be_silent(0.8)
        done = await answered(conversation)
        assert done.status == "completed"
        assert conversation.prompt(1) == ["What time is it?"]


async def test_a_turn_that_waits_for_the_next_one_is_answered_when_that_is_cleared() -> None:
    async with talk(["I would like tea."], ["With milk?"]) as conversation:
        await conversation.do(Audio(np.concatenate([tone(1), tone(0.55, 0), tone(0.3)])))
        await conversation.settled()
        assert not conversation.all(ResponseStarted)
        await conversation.do(Clear())
        assert (await answered(conversation)).status == "completed"


async def test_sound_without_end_is_cut_into_turns_that_do_not_overlap() -> None:
    limits = PipelineSettings(turn=TurnSettings(max_turn_s=5))
    async with talk(["One.", "Two.", "Three."], ["A.", "B.", "C."], settings=limits) as conversation:
        await conversation.speak(12)
        await conversation.be_silent(1)
        await conversation.settled()
        starts = [event.at for event in conversation.all(SpeechStarted)]
        stops = [event.at for event in conversation.all(SpeechStopped)]
        assert len(starts) == len(stops) == 3
        assert all(stop <= start for stop, start in zip(stops, starts[1:], strict=False))
        assert 12 <= sum(len(heard) for heard in conversation.encoder.heard) / 16_000 <= 13


async def test_cleared_sound_does_not_come_back() -> None:
    async with talk(["Second."], ["Fine."]) as conversation:
        await conversation.speak(1)
        await conversation.do(Clear())
        await conversation.be_silent(0.1)
        await conversation.ask()
        await answered(conversation)
        assert len(conversation.encoder.heard[0]) / 16_000 < 1.9


async def test_settings_that_change_in_a_pause_count() -> None:
    async with talk(["Hello."], ["Old.", "New."]) as conversation:
        await conversation.speak(1)
        await conversation.be_silent(0.3)
        await conversation.settled()
        await conversation.do(Update(replace(SETTINGS, output_rate=8_000)))
        await conversation.be_silent(0.4)
        done = await answered(conversation)
        heard = sum(len(event.pcm) for event in conversation.all(OutputAudio))
        assert done.usage.output_audio_s == pytest.approx(WORD_S, abs=0.01)
        assert heard == pytest.approx(8_000 * WORD_S, abs=8)


async def test_trouble_while_listening_does_not_end_the_session() -> None:
    async with talk(["Hello."], ["Hi."], session=replace(SETTINGS, turn_detection=SemanticVad())) as conversation:
        conversation.decoder.trouble = KeyError("no such field")
        await conversation.speak(1)
        await conversation.be_silent(2)
        assert (await answered(conversation)).status == "completed"


async def test_an_id_that_a_client_took_is_not_used_twice() -> None:
    async with talk(["Hello."], ["Hi."]) as conversation:
        await conversation.speak(1)
        started = await conversation.until(SpeechStarted)
        await conversation.do(AddItem(Message(started.item_id, "system", "Mine.")))
        await conversation.be_silent(1)
        assert (await answered(conversation)).status == "completed"
        assert conversation.all(Committed)[0].item_id != started.item_id


async def test_a_truncated_answer_says_no_more() -> None:
    import asyncio

    async with talk([], [TEN_WORDS]) as conversation:
        conversation.decoder.hold = asyncio.Event()
        await conversation.do(AddItem(Message("a", "user", "Count.")), Respond())
        added = await conversation.until(OutputAdded)
        await conversation.until(OutputAudio)
        await conversation.do(TruncateItem(added.item.id, 0.25))
        assert (await answered(conversation)).status == "cancelled"
        await conversation.do(RetrieveItem(added.item.id))
        item = (await conversation.until(ItemRetrieved)).item
        assert isinstance(item, Message)
        assert item.text == "One"
