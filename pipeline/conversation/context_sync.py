"""Keeps a decoder's context equal to the conversation: only what changed is read again, and old items make room."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from pipeline.decoders.decoder import (
    Context,
    Decoder,
    DoesNotFit,
    Mark,
    Open,
    Text,
    Tool,
    ToolCallUnit,
    ToolResultUnit,
    Unit,
)


class ItemUnits(NamedTuple):
    """What the decoder reads of one item."""

    item_id: str
    units: tuple[Unit, ...]
    transcript: tuple[Unit, ...] = ()
    """The same with the transcript instead of audio, which takes more room; () without audio or without transcript."""


_ROOM = 0.75
"""Share of the budget that stays filled once it is exceeded: each cut moves the whole prompt, so cuts are rare."""
_LONGEST_TOKEN = 16
"""Longest token in characters: text longer than the capacity in such tokens cannot fit, and is not tokenized."""


class ContextSync:
    """One conversation's decoder context, for one reader at a time: the others wait."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._in_use = asyncio.Lock()
        self._context: Context | None = None
        self._head: tuple[str, tuple[Tool, ...]] | None = None
        self._groups: list[ItemUnits] = []
        self._marks: list[Mark] = []
        """`_marks[n]` is the position before `_groups[n]`."""
        self._forgotten: str | None = None
        """The newest item that was dropped to make room: everything up to it stays out."""
        self._without_audio: set[str] = set()
        """Items whose audio was replaced by the transcript to make room."""
        self._limit: int | None = None
        """Tokens that the prompt may take, once the server has found less too long; None: what the context has."""

    @property
    def idle(self) -> bool:
        """Whether the context is free for a reader."""
        return not self._in_use.locked()

    @asynccontextmanager
    async def read(
        self, instructions: str, tools: tuple[Tool, ...], groups: Sequence[ItemUnits], reserve: int
    ) -> AsyncIterator[Context]:
        """The context, brought to `instructions`, `tools` and `groups`, with `reserve` tokens left for the answer.

        What the reader appends is removed afterwards. What does not fit is dropped from the oldest group on: its audio
        first, then all of it. Raises `DoesNotFit` if not even the newest group fits.
        """
        async with self._in_use:
            context = await self._opened(instructions, tools)
            wanted = _at_most(context.capacity * _LONGEST_TOKEN, groups)
            ids = [group.item_id for group in wanted]
            self._without_audio.intersection_update(ids)
            wanted = [_without_audio(group) if group.item_id in self._without_audio else group for group in wanted]
            if self._forgotten in ids:
                del wanted[: ids.index(self._forgotten) + 1]
            await self._write(context, wanted)
            budget = context.capacity - reserve
            await self._make_room(context, wanted, budget if self._limit is None else min(budget, self._limit))
            mark = context.mark()
            try:
                yield context
            finally:
                context.rewind(mark)

    async def shrink(self) -> bool:
        """Take half as much from now on, because the server found it too long. False: there is nothing to leave out."""
        async with self._in_use:
            if self._context is None or len(self._groups) < 2:
                return False
            self._limit = await self._context.length() // 2
            return True

    async def close(self) -> None:
        """Close the context. A later `read` opens a new one."""
        if self._context is not None:
            await self._context.close()
        self._context = self._head = self._forgotten = None
        self._without_audio.clear()
        self._groups.clear()
        self._marks.clear()

    async def _opened(self, instructions: str, tools: tuple[Tool, ...]) -> Context:
        if self._context is None or self._head != (instructions, tools):
            await self.close()
            self._context = self._decoder.open(instructions, tools)
            self._head = (instructions, tools)
        return self._context

    async def _write(self, context: Context, wanted: list[ItemUnits]) -> None:
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

    async def _make_room(self, context: Context, wanted: list[ItemUnits], budget: int) -> None:
        if await context.length() <= budget:
            return
        while len(wanted) > 1 and (not _begins_a_turn(wanted[0]) or await context.length() > budget * _ROOM):
            surplus = 1 - budget * _ROOM / await context.length()
            with_audio = [at for at, group in enumerate(wanted[:-1]) if group.transcript]
            for at in with_audio[: max(int(len(with_audio) * surplus), 1)]:
                self._without_audio.add(wanted[at].item_id)
                wanted[at] = _without_audio(wanted[at])
            if not with_audio:
                dropped = min(max(int(len(wanted) * surplus / 2), 1), len(wanted) - 1)
                self._forgotten = wanted[dropped - 1].item_id
                del wanted[:dropped]
            await self._write(context, wanted)
        if await context.length() > budget:
            raise DoesNotFit(
                f"the instructions and the last message take more than the {budget} tokens that the context has for "
                f"them ({context.capacity} less {context.capacity - budget} for the answer)"
            )


def _at_most(characters: int, groups: Sequence[ItemUnits]) -> list[ItemUnits]:
    """The newest of `groups` with at most so many characters together; at least one."""
    kept: list[ItemUnits] = []
    for group in reversed(groups):
        characters -= sum(map(_characters, group.units))
        if kept and characters < 0:
            break
        kept.append(group)
    return kept[::-1]


def _characters(unit: Unit) -> int:
    match unit:
        case Text():
            return len(unit.text)
        case ToolCallUnit():
            return len(unit.arguments)
        case ToolResultUnit():
            return len(unit.output)
        case _:
            return 0


def _begins_a_turn(group: ItemUnits) -> bool:
    return group.units[0] == Open("user")


def _without_audio(group: ItemUnits) -> ItemUnits:
    return ItemUnits(group.item_id, group.transcript or group.units)
