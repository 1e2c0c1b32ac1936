"""What is said while a tool runs or a slow model writes, and which results nobody waits for any more."""

import asyncio
from dataclasses import replace

import pytest

from pipeline.answering.stopgaps.patience import Patience
from pipeline.answering.stopgaps.tool_waits import brings_only_unwanted_results
from pipeline.answering.stopgaps.wording import acknowledgement, gives_up
from pipeline.commands import AddItem, Cancel, DeleteItem, Respond, ServerVad
from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.decoders.decoder import ToolCall
from pipeline.events import OutputText, Refused, ResponseDone, ResponseStarted
from pipeline.settings import AgentSettings, PipelineSettings, StopgapSettings
from pipeline.thinking.schedule import Mode
from tests.support.talk import SETTINGS, Talk, answered, said, talk

LOOK_UP, ACT = ToolCall("get_weather", "{}"), ToolCall("book_flight", "{}")
WAITS = StopgapSettings()
NONE = PipelineSettings(stopgaps=StopgapSettings(tool_s=0, model_s=0))


async def called(conversation: Talk) -> FunctionCall:
    """The call that the next answer ends with."""
    await conversation.ask()
    done = await answered(conversation)
    assert isinstance(done.outputs[-1], FunctionCall)
    return done.outputs[-1]


@pytest.mark.parametrize(("call", "words"), [(LOOK_UP, WAITS.looking_up), (ACT, WAITS.acting)])
async def test_a_tool_that_takes_long_is_acknowledged_and_shows_signs_of_life(call: ToolCall, words: str) -> None:
    async with talk(["Do it."], [call, "Done."]) as conversation:
        made = await called(conversation)
        await conversation.be_silent(0.3)
        await conversation.settled()
        assert said(conversation) == ""
        await conversation.be_silent(0.3)
        done = await answered(conversation)
        assert done.status == "completed"
        assert done.metadata == {"stopgap": "tool"}
        assert (done.usage.input_tokens, done.usage.output_tokens) == (0, 0)
        [message] = done.outputs
        assert isinstance(message, Message)
        assert message.text == words
        await conversation.be_silent(7)
        await conversation.settled()
        assert said(conversation) == words
        await conversation.be_silent(3)
        assert (await answered(conversation)).status == "completed"
        assert said(conversation) == f"{words}{WAITS.again[0]}"
        await conversation.be_silent(3)
        await conversation.do(AddItem(FunctionOutput("out", made.call_id, "ok")), Respond())
        assert (await answered(conversation)).status == "completed"
        *_, calling, result = conversation.messages(1)
        assert calling["content"] == f"{words} {WAITS.again[0]}"
        assert result["content"] == "ok"
        await conversation.be_silent(60)
        await conversation.settled()
        assert len(conversation.all(ResponseDone)) == 4


async def test_the_signs_of_life_end() -> None:
    async with talk(["Do it."], [LOOK_UP]) as conversation:
        await called(conversation)
        await conversation.be_silent(120)
        await conversation.settled()
        assert said(conversation) == "".join((WAITS.looking_up, *WAITS.again))


async def test_a_fast_tool_gets_no_acknowledgement() -> None:
    async with talk(["Do it."], [LOOK_UP, "It rains."]) as conversation:
        made = await called(conversation)
        await conversation.be_silent(0.35)
        await conversation.do(AddItem(FunctionOutput("out", made.call_id, "rain")), Respond())
        await answered(conversation)
        await conversation.be_silent(20)
        await conversation.settled()
        assert said(conversation) == "It rains."


async def test_an_answer_that_announced_its_call_is_enough() -> None:
    async with talk(["Do it."], [("Let me see about that.", LOOK_UP)]) as conversation:
        await called(conversation)
        await conversation.be_silent(6)
        await conversation.settled()
        assert said(conversation) == "Let me see about that."


@pytest.mark.parametrize(
    "session",
    [
        replace(SETTINGS, modality="text"),
        replace(SETTINGS, turn_detection=ServerVad(0.5, 0.3, 0.5, create_response=False)),
    ],
)
async def test_nothing_is_said_unasked_where_the_client_asks_for_every_response(session: object) -> None:
    async with talk(["Do it."], [LOOK_UP], session=session) as conversation:  # type: ignore[arg-type]
        await conversation.do(AddItem(Message("q", "user", "Do it.")), Respond())
        await answered(conversation)
        await conversation.be_silent(30)
        await conversation.settled()
        assert len(conversation.all(ResponseStarted)) == 1


async def test_a_response_asked_for_during_an_acknowledgement_follows_it() -> None:
    async with talk(["Do it."], [LOOK_UP, "It rains."]) as conversation:
        made = await called(conversation)
        conversation.decoder.hold = asyncio.Event()
        await conversation.be_silent(0.5)
        started = await conversation.until(ResponseStarted, lambda event: event.metadata == {"stopgap": "tool"})
        await conversation.do(AddItem(FunctionOutput("out", made.call_id, "rain")), Respond())
        conversation.decoder.hold.set()
        assert (await answered(conversation)).response_id == started.response_id
        assert (await answered(conversation)).status == "completed"
        assert not conversation.all(Refused)
        assert said(conversation) == f"{WAITS.looking_up}It rains."


HARD, EASY = "I have two pens and buy three. How many do I have?", "Why is the sky blue?"
ABOUT_HARD = PipelineSettings(agent=AgentSettings(think_about="hard"))
ABOUT_ALL = PipelineSettings(agent=AgentSettings(think_about="everything"))


@pytest.mark.parametrize(
    ("question", "mode", "settings", "thinks"),
    [
        (HARD, "before", ABOUT_HARD, True),
        (HARD, "think_first", ABOUT_HARD, True),
        (HARD, "speak_first", ABOUT_HARD, False),
        (HARD, "off", ABOUT_HARD, False),
        (EASY, "think_first", ABOUT_HARD, False),
        (EASY, "think_first", ABOUT_ALL, True),
    ],
)
async def test_a_model_that_thinks_first_is_announced_sooner(
    question: str, mode: Mode, settings: PipelineSettings, thinks: bool
) -> None:
    session = replace(SETTINGS, thinking=mode)
    async with talk([question], ["First,", "because."], settings=settings, session=session) as conversation:
        conversation.decoder.thinks = True
        conversation.decoder.hold = asyncio.Event()
        await conversation.ask()
        await conversation.settled()
        await conversation.be_silent(0.5)
        await conversation.settled()
        assert said(conversation) == (WAITS.thoughtful if thinks else "")
        conversation.decoder.hold.set()
        assert (await answered(conversation)).status == "completed"


async def test_a_slow_model_is_announced_in_its_own_answer() -> None:
    async with talk(["Why?"], ["Because."]) as conversation:
        conversation.decoder.hold = asyncio.Event()
        await conversation.ask()
        await conversation.settled()
        await conversation.be_silent(1.5)
        await conversation.settled()
        assert said(conversation) == ""
        await conversation.be_silent(1)
        await conversation.until(OutputText)
        conversation.decoder.hold.set()
        done = await answered(conversation)
        assert done.status == "completed"
        [message] = done.outputs
        assert isinstance(message, Message)
        assert message.text == f"{WAITS.thinking} Because."


async def test_the_silence_before_a_result_counts_towards_the_announcement() -> None:
    async with talk(["Weather?"], [LOOK_UP, "It rains."]) as conversation:
        made = await called(conversation)
        conversation.decoder.hold = asyncio.Event()
        await conversation.be_silent(0.35)
        await conversation.do(AddItem(FunctionOutput("out", made.call_id, "rain")), Respond())
        await conversation.settled()
        await conversation.be_silent(1)
        await conversation.settled()
        assert said(conversation) == ""
        await conversation.be_silent(0.7)
        await conversation.until(OutputText)
        conversation.decoder.hold.set()
        await answered(conversation)
        assert said(conversation) == f"{WAITS.thinking} It rains."


async def test_a_result_that_nobody_wants_any_more_is_not_spoken() -> None:
    async with talk(["Weather?", "Never mind."], [LOOK_UP, "Okay."], settings=NONE) as conversation:
        made = await called(conversation)
        await conversation.ask()
        await answered(conversation)
        await conversation.be_silent(20)
        before = said(conversation)
        await conversation.do(AddItem(FunctionOutput("out", made.call_id, "rain")), Respond(metadata={"k": "v"}))
        done = await answered(conversation)
        assert (done.status, done.outputs, done.metadata) == ("cancelled", (), {"k": "v"})
        assert said(conversation) == before
        assert conversation.decoder.answers == []


async def test_no_sign_of_life_for_what_was_given_up_or_deleted() -> None:
    async with talk(["Weather?", "Never mind.", "Weather?"], [LOOK_UP, "Okay.", LOOK_UP]) as conversation:
        await called(conversation)
        await conversation.ask()
        await answered(conversation)
        await conversation.be_silent(30)
        await conversation.settled()
        assert said(conversation) == "Okay."
        made = await called(conversation)
        await conversation.do(DeleteItem(made.id), AddItem(FunctionOutput("out", made.call_id, "rain")))
        await conversation.be_silent(30)
        assert (await conversation.until(Refused)).code == "invalid_tool_call_id"
        await conversation.settled()
        assert said(conversation) == "Okay."


async def test_a_response_asked_for_while_the_person_speaks_answers_the_turn() -> None:
    async with talk(["And tomorrow?"], ["Rain, too."]) as conversation:
        await conversation.speak(0.5)
        await conversation.do(Respond(metadata={"k": "v"}, event_id="e1"), Respond(event_id="e2"))
        await conversation.speak(0.5)
        await conversation.settled()
        assert not conversation.all(ResponseStarted)
        assert [event.event_id for event in conversation.all(Refused)][:1] == ["e2"]
        await conversation.be_silent(1)
        done = await answered(conversation)
        assert (done.status, done.metadata) == ("completed", {"k": "v"})
        assert conversation.prompt(0) == ["And tomorrow?"]
        await conversation.be_silent(3)
        await conversation.settled()
        assert len(conversation.all(ResponseStarted)) == 1


async def test_a_response_that_waits_for_a_noise_is_given_after_it() -> None:
    async with talk([""], ["Hello."]) as conversation:
        await conversation.speak(0.5)
        await conversation.do(Respond())
        await conversation.be_silent(1)
        assert (await answered(conversation)).status == "completed"


async def test_a_response_that_waits_can_be_cancelled() -> None:
    async with talk(["One.", "Two."], ["Three."]) as conversation:
        await conversation.speak(0.5)
        await conversation.do(Respond(metadata={"k": "v"}), Cancel())
        await conversation.be_silent(1)
        assert (await answered(conversation)).metadata == {}
        await conversation.settled()
        assert {event.event_id is None for event in conversation.all(Refused)} == {False}


def test_phrases_come_when_silence_has_lasted_long_enough() -> None:
    wait = Patience(10, 50, ("a", "b"))
    assert [wait.due(silent) for silent in (9, 10, 10, 49, 50, 500)] == ["", "a", "", "", "b", ""]
    assert Patience(0, 50, ("a",)).due(10**6) == ""


@pytest.mark.parametrize(
    ("name", "looks_up"),
    [
        ("get_weather", True),
        ("searchFlights", True),
        ("weather", True),
        ("check_order_status", True),
        ("get_order", True),
        ("book_flight", False),
        ("setTime", False),
        ("order_status", False),
        ("sendEmail", False),
        ("turn_on_the_light", False),
        ("", False),
    ],
)
def test_acknowledgements_fit_the_tool(name: str, looks_up: bool) -> None:
    assert acknowledgement([name], WAITS) == (WAITS.looking_up if looks_up else WAITS.acting)


@pytest.mark.parametrize(
    ("text", "given_up"),
    [
        ("Never mind.", True),
        ("Oh, nevermind, thanks.", True),
        ("Forget it.", True),
        ("Okay, cancel that, please.", True),
        ("Stop.", True),
        ("Don\N{RIGHT SINGLE QUOTATION MARK}t bother.", True),
        ("I don't need it any more.", True),
        ("Cancel my appointment.", False),
        ("Are you there?", False),
        ("I will never forget it when you told me that story about the bus.", False),
        ("", False),
    ],
)
def test_people_give_up_in_few_words(text: str, given_up: bool) -> None:
    assert gives_up(text) is given_up


def test_unwanted_are_only_results_that_came_after_the_last_words() -> None:
    call, output = FunctionCall("c", "1", "f", "{}", answer="r"), FunctionOutput("o", "1", "x")
    never_mind, okay = Message("n", "user", "Never mind."), Message("k", "assistant", "Okay.")
    wanted: list[list[Item]] = [
        [call, output],
        [call, okay, output],
        [call, output, never_mind],
        [call, never_mind, okay, output, Message("q", "user", "And now?")],
        [call, never_mind, okay],
        [],
    ]
    assert not any(map(brings_only_unwanted_results, wanted))
    assert brings_only_unwanted_results([call, never_mind, okay, output])
    other = FunctionCall("d", "2", "f", "{}", answer="s")
    assert not brings_only_unwanted_results([call, never_mind, okay, other, output, FunctionOutput("p", "2", "y")])
