"""A conversation that another agent continues, in virtual time."""

from dataclasses import replace

from pipeline.commands import TruncateItem
from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.events import OutputAudio, ResponseStarted, Transcribed
from tests.support.talk import SETTINGS, TEN_WORDS, answered, talk

HELLO = Message("u", "user", "Hello there.", spoken=True)
ANSWER = Message("a", "assistant", "Hi.", spoken=True)


def texts(items: tuple[Item, ...]) -> list[str | None]:
    return [item.text for item in items if isinstance(item, Message)]


async def test_only_what_was_played_of_an_answer_is_continued() -> None:
    async with talk(["Count."], [TEN_WORDS]) as conversation:
        await conversation.ask()
        await answered(conversation)
        await conversation.be_silent(0.9)
        await conversation.settled()
        [asked, said] = conversation.agent.items()
        assert isinstance(asked, Message)
        assert asked.text == "Count."
        assert isinstance(said, Message)
        assert said.text
        assert TEN_WORDS.startswith(said.text)
        assert said.text != TEN_WORDS
        assert said.status == "incomplete"
        heard = said.text
        await conversation.be_silent(5)
        await conversation.settled()
        assert texts(conversation.agent.items()) == ["Count.", TEN_WORDS]
    async with talk(["Go on."], ["Sure."], items=(asked, said)) as continued:
        await continued.ask()
        await answered(continued)
        asked_before, answered_before, asked_now = continued.prompt(0)
        assert (asked_before, asked_now) == ("Count.", "Go on.")
        assert answered_before.removesuffix(" —") == heard
        longer = len(said.words[: len(heard.split()) + 2])
        await continued.do(TruncateItem(said.id, said.words[longer - 1].end / said.rate))
        await continued.settled()
        assert texts(continued.agent.items())[1] == " ".join(TEN_WORDS.split()[:longer])


async def test_a_turn_that_nobody_answered_is_answered_when_the_conversation_continues() -> None:
    async with talk([], ["Hi."], items=(HELLO,)) as conversation:
        done = await answered(conversation)
        assert texts(done.outputs) == ["Hi."]
        assert conversation.prompt(0) == ["Hello there."]


async def test_an_answer_of_which_nothing_was_heard_is_given_again() -> None:
    async with talk(["Count."], [TEN_WORDS]) as conversation:
        await conversation.ask()
        await conversation.until(OutputAudio)
        items = conversation.agent.items()
        assert texts(items) == ["Count."]
    async with talk([], ["One."], items=items) as continued:
        assert texts((await answered(continued)).outputs) == ["One."]


async def test_nothing_else_is_answered_unasked() -> None:
    by_hand = replace(SETTINGS, turn_detection=None)
    call, output = FunctionCall("c", "call_1", "weather", "{}"), FunctionOutput("o", "call_1", "Rain.")
    typed = Message("t", "user", "Hello.")
    for items, session in [
        ((), SETTINGS),
        ((HELLO, ANSWER), SETTINGS),
        ((HELLO, call, output), SETTINGS),
        ((typed,), SETTINGS),
        ((HELLO,), by_hand),
    ]:
        async with talk(["Well?"], ["Hi."], items=items, session=session) as conversation:
            await conversation.settled()
            assert conversation.all(ResponseStarted) == []


async def test_a_turn_without_words_is_left_out() -> None:
    async with talk(["Hello."], ["Hi."], items=(Message("u", "user", "Hm.", spoken=True), ANSWER)) as conversation:
        await conversation.speak(1)
        assert texts(conversation.agent.items()) == ["Hm.", "Hi."]
        await conversation.be_silent(0.7)
        await conversation.until(Transcribed)
