"""Keeps a decoder's context equal to the conversation, reading again only what changed, and within its bounds."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from pipeline.decoders.decoder import Context, Decoder, DecoderError, Mark, Open, Text, Tool, Unit


class Group(NamedTuple):
    """What the decoder reads of one item."""

    item_id: str
    units: tuple[Unit, ...]
    in_words: tuple[Unit, ...] = ()
    """The same without its sound, which takes more room; () where there is no sound, or nothing else."""


_ROOM = 0.75
"""Share of the budget that is left filled once it is exceeded: each cut moves the whole prompt, so cuts are rare."""
_LONGEST_TOKEN = 16
"""Characters: what is longer than as many tokens of this length can't fit, and need not be counted."""


class Prompt:
    """One conversation's context. For one reader at a time: the others wait."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._in_use = asyncio.Lock()
        self._context: Context | None = None
        self._head: tuple[str, tuple[Tool, ...]] | None = None
        self._groups: list[Group] = []
        self._marks: list[Mark] = []
        """`_marks[n]` stands before `_groups[n]`."""
        self._forgotten: str | None = None
        """The newest item that was left out for want of room: nothing up to it is read again."""
        self._in_words: set[str] = set()
        """The items whose sound was left out for want of room."""

    @property
    def idle(self) -> bool:
        """Whether nobody reads it just now."""
        return not self._in_use.locked()

    @asynccontextmanager
    async def read(
        self, instructions: str, tools: tuple[Tool, ...], groups: Sequence[Group], reserve: int
    ) -> AsyncIterator[Context]:
        """The context, made to say `instructions`, `tools` and `groups`, with `reserve` tokens left for the answer.

        What the reader appends is forgotten behind it.
        What does not fit is left out from the oldest group on: its sound, and then all of it. Raises `DecoderError`
        if not even the newest fits.
        """
        async with self._in_use:
            context = await self._opened(instructions, tools)
            wanted = _at_most(context.capacity * _LONGEST_TOKEN, groups)
            ids = [group.item_id for group in wanted]
            self._in_words.intersection_update(ids)
            wanted = [_in_words(group) if group.item_id in self._in_words else group for group in wanted]
            if self._forgotten in ids:
                del wanted[: ids.index(self._forgotten) + 1]
            await self._write(context, wanted)
            await self._make_room(context, wanted, context.capacity - reserve)
            mark = context.mark()
            try:
                yield context
            finally:
                context.rewind(mark)

    async def close(self) -> None:
        if self._context is not None:
            await self._context.close()
        self._context = self._head = self._forgotten = None
        self._in_words.clear()
        self._groups.clear()
        self._marks.clear()

    async def _opened(self, instructions: str, tools: tuple[Tool, ...]) -> Context:
        if self._context is None or self._head != (instructions, tools):
            await self.close()
            self._context = self._decoder.open(instructions, tools)
            self._head = (instructions, tools)
        return self._context

    async def _write(self, context: Context, wanted: list[Group]) -> None:
        same = 0
        while same < min(len(wanted), len(self._groups)) and wanted[same] == self._groups[same]:
            same += 1
        if same < len(self._groups):
            context.rewind(self._marks[same])
            del self._groups[same:], self._marks[same:]
        for group in wanted[same:]:
            self._marks.append(context.mark())
            self._groups.append(group)
            await context.append(group.units)

    async def _make_room(self, context: Context, wanted: list[Group], budget: int) -> None:
        if await context.length() <= budget:
            return
        while len(wanted) > 1 and (not _begins_a_turn(wanted[0]) or await context.length() > budget * _ROOM):
            surplus = 1 - budget * _ROOM / await context.length()
            sounding = [place for place, group in enumerate(wanted[:-1]) if group.in_words]
            for place in sounding[: max(int(len(sounding) * surplus), 1)]:
                self._in_words.add(wanted[place].item_id)
                wanted[place] = _in_words(wanted[place])
            if not sounding:
                dropped = min(max(int(len(wanted) * surplus / 2), 1), len(wanted) - 1)
                self._forgotten = wanted[dropped - 1].item_id
                del wanted[:dropped]
            await self._write(context, wanted)
        if await context.length() > budget:
            raise DecoderError(
                f"the instructions and the last message take more than the {budget} tokens that the context has for "
                f"them ({context.capacity} less {context.capacity - budget} for the answer)"
            )


def _at_most(characters: int, groups: Sequence[Group]) -> list[Group]:
    """The newest of `groups` that together are no longer; one at least."""
    kept: list[Group] = []
    for group in reversed(groups):
        characters -= sum(len(unit.text) for unit in group.units if isinstance(unit, Text))
        if kept and characters < 0:
            break
        kept.append(group)
    return kept[::-1]


def _begins_a_turn(group: Group) -> bool:
    return group.units[0] == Open("user")


def _in_words(group: Group) -> Group:
    return Group(group.item_id, group.in_words or group.units)
