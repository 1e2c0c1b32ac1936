"""Keeps a decoder's context equal to the conversation, reading again only what changed, and within its bounds."""

from collections.abc import Sequence

from pipeline.decoders.decoder import Context, Decoder, DecoderError, Mark, Open, Tool, Unit

Group = tuple[str, tuple[Unit, ...]]
"""An item's id and what the decoder reads of it."""

_ROOM = 0.75
"""Share of the budget that is left filled once it is exceeded: each cut moves the whole prompt, so cuts are rare."""


class Prompt:
    """One conversation's context. `update` before each answer."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._context: Context | None = None
        self._head: tuple[str, tuple[Tool, ...]] | None = None
        self._groups: list[Group] = []
        self._marks: list[Mark] = []
        """`_marks[n]` stands before `_groups[n]`."""
        self._forgotten: str | None = None
        """The newest item that was left out for want of room: nothing up to it is read again."""

    async def update(
        self, instructions: str, tools: tuple[Tool, ...], groups: Sequence[Group], reserve: int
    ) -> Context:
        """Make the context say `instructions`, `tools` and `groups`, and leave `reserve` tokens for the answer.

        What does not fit is left out from the oldest group on. Raises `DecoderError` if not even the newest fits.
        """
        if self._context is None or self._head != (instructions, tools):
            await self.close()
            self._context = self._decoder.open(instructions, tools)
            self._head = (instructions, tools)
        wanted = list(groups)
        ids = [item_id for item_id, _ in wanted]
        if self._forgotten in ids:
            del wanted[: ids.index(self._forgotten) + 1]
        await self._write(wanted)
        budget = self._context.capacity - reserve
        if await self._context.length() > budget:
            while len(wanted) > 1 and (not _begins_a_turn(wanted[0]) or await self._context.length() > budget * _ROOM):
                self._forgotten, _ = wanted.pop(0)
                await self._write(wanted)
            if await self._context.length() > budget:
                raise DecoderError(
                    f"the instructions and the last message take more than the {budget} tokens that the context "
                    f"has for them ({self._context.capacity} less {reserve} for the answer)"
                )
        return self._context

    async def close(self) -> None:
        if self._context is not None:
            await self._context.close()
        self._context = self._head = self._forgotten = None
        self._groups.clear()
        self._marks.clear()

    async def _write(self, wanted: list[Group]) -> None:
        assert self._context is not None
        same = 0
        while same < min(len(wanted), len(self._groups)) and wanted[same] == self._groups[same]:
            same += 1
        if same < len(self._groups):
            self._context.rewind(self._marks[same])
            del self._groups[same:], self._marks[same:]
        for group in wanted[same:]:
            self._marks.append(self._context.mark())
            self._groups.append(group)
            await self._context.append(group[1])


def _begins_a_turn(group: Group) -> bool:
    return group[1][0] == Open("user")
