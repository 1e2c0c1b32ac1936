"""What one conversation may hold, whatever its client does: all that can be reached from its agent."""

import asyncio
import gc
import types
from dataclasses import replace

import numpy as np

from pipeline.agent import Agent
from pipeline.commands import AddItem, Command, Respond, Update
from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.decoders.decoder import Tool
from pipeline.events import Refused, ResponseDone, ResponseStarted
from pipeline.inbox import Inbox
from pipeline.settings import DecoderSettings, PipelineSettings
from tests.support.talk import SETTINGS, Talk, answered, talk

SMALL = PipelineSettings(decoder=DecoderSettings(context_tokens=512))
LONGEST = 8 * 512
"""Characters of one event's text, as the protocol bounds it with this context."""


def held(agent: Agent, talk: Talk) -> tuple[int, int]:
    """Characters of text and bytes of audio that the agent holds. What it shares with others does not count."""
    seen, waiting, characters, audio = {id(talk.events), id(talk.decoder), id(talk.encoder)}, [agent], 0, 0
    shared = (type, types.ModuleType, types.FunctionType, types.CodeType)
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, shared):
            continue
        seen.add(id(thing))
        characters += len(thing) if isinstance(thing, str) else 0
        audio += thing.nbytes if isinstance(thing, np.ndarray) else 0
        waiting.extend(gc.get_referents(thing))
    return characters, audio


def item(number: int) -> Item:
    text, name = f"{number:06}" + "x" * (LONGEST - 6), f"{number:06}" + "y" * 58
    match number % 4:
        case 0:
            return Message(name, "user", text)
        case 1:
            return FunctionCall(name, name, name, text)
        case 2:
            return FunctionOutput(name, name, text)
        case _:
            return Message(name, "assistant", text, spoken=True)


async def test_the_text_of_a_conversation_is_bounded_whatever_it_consists_of() -> None:
    async with talk(settings=SMALL) as conversation:
        base, _ = held(conversation.agent, conversation)
        for number in range(400):
            tool = Tool(
                f"tool {number}", f"{number:06}" * (LONGEST // 12), {"enum": [f"{number:06}" * (LONGEST // 12)]}
            )
            settings = replace(SETTINGS, tools=(tool,), instructions=f"{number:06}" * (LONGEST // 6))
            await conversation.do(AddItem(item(number)), Update(settings, number))
            conversation.events.clear()
        await asyncio.sleep(0)
        characters, _ = held(conversation.agent, conversation)
        # Sixteen contexts of items, what waits in the inbox, and the settings in force.
        assert characters - base < 64 * 512 + 40 * LONGEST


async def test_commands_that_are_not_carried_out_are_bounded() -> None:
    inbox, sent = Inbox(), 0

    async def send() -> None:
        nonlocal sent
        while True:
            await inbox.put(Respond(instructions="x" * LONGEST))
            sent += 1

    sender = asyncio.create_task(send())
    for _ in range(1_000):
        await asyncio.sleep(0)
    assert sent == 32
    await inbox.get()
    for _ in range(10):
        await asyncio.sleep(0)
    assert sent == 33
    sender.cancel()
    await asyncio.wait({sender})


async def test_answers_out_of_band_are_bounded_in_number() -> None:
    async with talk(answers=["One two."] * 6) as conversation:
        conversation.decoder.hold = asyncio.Event()
        aside = Respond(modality="text", into_conversation=False)
        commands: list[Command] = [AddItem(Message("a", "user", "Count.")), Respond(), *[aside] * 20]
        await conversation.do(*commands)
        await conversation.settled()
        assert len(conversation.all(ResponseStarted)) == 1 + 4
        refused = [event for event in conversation.all(Refused) if "out of band" in event.message]
        assert len(refused) == 16
        conversation.decoder.hold.set()
        for _ in range(5):
            await answered(conversation)
        await conversation.do(aside)
        await answered(conversation)


async def test_answers_that_nobody_plays_are_not_kept_as_sound() -> None:
    words = " ".join(f"{first}{second}a" for first in "bdfgklmnpr" for second in "aeiouylrnm")
    async with talk(answers=[words] * 40) as conversation:
        await conversation.do(AddItem(Message("a", "user", "Count.")))
        _, base = held(conversation.agent, conversation)
        for _ in range(40):
            await conversation.do(Respond())
            await conversation.until(ResponseDone)
            conversation.forget()
        _, audio = held(conversation.agent, conversation)
        assert audio - base < 2 * 120 * 16_000 * 4
