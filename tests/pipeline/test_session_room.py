"""Instructions and tools that leave no room for a conversation are refused when they are set."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline.commands import AddItem, Respond, Update
from pipeline.conversation.items import Message
from pipeline.decoders.decoder import Tool, UpstreamError
from pipeline.events import Refused, Updated
from tests.support.scripted import ScriptedContext, ScriptedDecoder
from tests.support.talk import SETTINGS, answered, talk

SEARCH = Tool("search", "It finds " + "all " * 2000, {"type": "object", "properties": {}})
LONG = "Be kind. " * 1000


class Counting(ScriptedDecoder):
    """Counts the words of instructions and tools too, and notes whether it had to."""

    def __init__(self, answers: Sequence[str] = (), trouble: Exception | None = None) -> None:
        super().__init__(answers, capacity=2048)
        self.counted = 0
        self.count_trouble = trouble

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> ScriptedContext:
        self.open_contexts += 1
        return CountingContext(self, " ".join((instructions, *(tool.description for tool in tools))))


class CountingContext(ScriptedContext):
    _decoder: Counting

    def __init__(self, decoder: Counting, head: str) -> None:
        super().__init__(decoder)
        self._head = head

    async def length(self) -> int:
        if not self.units:
            self._decoder.counted += 1
            if self._decoder.count_trouble is not None:
                raise self._decoder.count_trouble
        return len(self._head.split()) + await super().length()


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"instructions": LONG}, "session.instructions"),
        ({"tools": (SEARCH,)}, "session.tools"),
        ({"tools": (SEARCH,), "tool_choice": SEARCH}, "session.tools"),
        ({"instructions": LONG, "tools": (SEARCH,)}, "session.instructions"),
    ],
)
async def test_what_cannot_fit_is_refused_and_the_rest_is_in_force(changes: dict[str, object], param: str) -> None:
    decoder = Counting(["Yes."])
    async with talk(decoder=decoder) as conversation:
        wanted = replace(SETTINGS, max_output_tokens=99, **changes)  # type: ignore[arg-type]
        await conversation.do(Update(wanted, 7, "e1"))
        refused = await conversation.until(Refused)
        assert (refused.code, refused.param, refused.event_id) == ("context_length_exceeded", param, "e1")
        assert "decoder.context_tokens" in refused.message
        updated = await conversation.until(Updated)
        assert updated == Updated(replace(SETTINGS, max_output_tokens=99))
        await conversation.do(AddItem(Message("a", "user", "Well?")), Respond())
        assert (await answered(conversation)).status == "completed"


async def test_what_fits_is_counted_only_if_it_is_long() -> None:
    decoder = Counting()
    async with talk(decoder=decoder) as conversation:
        await conversation.do(Update(replace(SETTINGS, instructions="Be kind. " * 100)))
        await conversation.until(Updated)
        assert decoder.counted == 0
        await conversation.do(Update(replace(SETTINGS, instructions="Be kind. " * 400)))
        assert (await conversation.until(Updated)).settings.instructions == "Be kind. " * 400
        assert decoder.counted == 1
        assert not conversation.all(Refused)


async def test_a_decoder_that_cannot_count_refuses_nothing() -> None:
    async with talk(decoder=Counting(trouble=UpstreamError("down"))) as conversation:
        await conversation.do(Update(replace(SETTINGS, instructions=LONG)))
        assert (await conversation.until(Updated)).settings.instructions == LONG


async def test_what_answers_begin_with_is_read_as_soon_as_it_is_known() -> None:
    async with talk() as conversation:
        await conversation.settled()
        assert conversation.decoder.read_before == 1
        kind = replace(SETTINGS, instructions="Be kind.")
        await conversation.do(Update(kind))
        await conversation.settled()
        assert conversation.decoder.read_before == 2
        await conversation.do(Update(replace(kind, transcribe=False)))
        await conversation.settled()
        assert conversation.decoder.read_before == 2, "it has not changed"
