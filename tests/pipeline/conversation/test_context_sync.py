import numpy as np
import pytest

from pipeline.conversation.context_sync import ContextSync, ItemUnits
from pipeline.conversation.items import Item, Message
from pipeline.conversation.rendering import as_units
from pipeline.decoders.decoder import Close, DecoderError, Open, Text, Unit
from pipeline.encoders.audio_units import Clip
from tests.support.scripted import ScriptedContext, ScriptedDecoder


def turns(*texts: str) -> list[ItemUnits]:
    items: list[Item] = [
        Message(f"item_{n}", "user" if n % 2 == 0 else "assistant", text) for n, text in enumerate(texts)
    ]
    return as_units(items)


def texts(units: list[Unit]) -> list[str]:
    return [unit.text for unit in units if isinstance(unit, Text)]


async def context_of(prompt: ContextSync, groups: list[ItemUnits], reserve: int = 0) -> ScriptedContext:
    async with prompt.read("Be brief.", (), groups, reserve) as context:
        assert isinstance(context, ScriptedContext)
        return context


async def test_only_what_is_new_is_appended() -> None:
    prompt = ContextSync(ScriptedDecoder([]))
    await context_of(prompt, turns("one", "two"))
    context = await context_of(prompt, turns("one", "two", "three"))
    assert texts(context.units) == ["one", "two", "three"]
    assert context.appended == 3


async def test_what_changed_is_rewound() -> None:
    prompt = ContextSync(ScriptedDecoder([]))
    await context_of(prompt, turns("one", "two words", "three"))
    context = await context_of(prompt, turns("one", "two", "three"))
    assert texts(context.units) == ["one", "two", "three"]
    assert context.appended == 5


async def test_the_oldest_turns_make_room_and_stay_out() -> None:
    prompt = ContextSync(ScriptedDecoder([], capacity=40))
    long = [f"{n} is a message of seven words" for n in range(8)]
    context = await context_of(prompt, turns(*long[:7]), reserve=5)
    kept = texts(context.units)
    assert kept == long[4:7]
    assert await context.length() <= 35
    appended = context.appended
    again = await context_of(prompt, turns(*long[:8]), reserve=5)
    assert texts(again.units) == [*kept, long[7]]
    assert again.appended == appended + 1


async def test_what_can_never_fit_is_refused() -> None:
    prompt = ContextSync(ScriptedDecoder([], capacity=10))
    with pytest.raises(DecoderError, match="take more than the 8 tokens"):
        await context_of(prompt, turns("this one message alone has far too many words to fit"), reserve=2)


async def test_a_flood_of_long_messages_is_cut_in_few_steps() -> None:
    prompt = ContextSync(ScriptedDecoder([], capacity=50))
    flood = [f"{n} " + "word " * 2_000 for n in range(100)] + ["short enough"]
    context = await context_of(prompt, turns(*flood))
    assert texts(context.units) == ["short enough"]
    assert context.appended < 20


def spoken(number: int) -> ItemUnits:
    """A turn of 13 tokens as sound, of 2 as words."""
    words = (Open("user"), Text(f"turn {number}"), Close("user"))
    return ItemUnits(f"item_{number}", (Open("user"), Clip(np.zeros(12_800, np.float32), True), Close("user")), words)


async def test_where_there_is_no_room_the_oldest_sound_is_read_in_words() -> None:
    prompt = ContextSync(ScriptedDecoder([], capacity=100))
    turns = [spoken(number) for number in range(8)]
    context = await context_of(prompt, turns[:7])
    assert texts(context.units) == [], "all of it fits"
    context = await context_of(prompt, turns)
    assert await context.length() <= 75
    in_words = texts(context.units)
    assert in_words == [f"turn {number}" for number in range(len(in_words))], "the oldest, and none is forgotten"
    assert 0 < len(in_words) < 7
    appended = context.appended
    again = await context_of(prompt, turns)
    assert texts(again.units) == in_words
    assert again.appended == appended, "what was decided once is not read anew"


async def test_what_does_not_even_fit_in_words_is_left_out() -> None:
    prompt = ContextSync(ScriptedDecoder([], capacity=20))
    context = await context_of(prompt, [spoken(number) for number in range(8)])
    assert len(texts(context.units)) < 4
    assert isinstance(context.units[-2], Clip)
