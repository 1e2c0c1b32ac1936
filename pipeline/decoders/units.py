"""The part of a context that every backend keeps alike: what it is made of, in order."""

from collections.abc import Sequence

from pipeline.decoders.decoder import Mark, Tool, Unit


class UnitList:
    """Grows at its end and is rewound to marks."""

    def __init__(self, capacity: int, tools: Sequence[Tool]) -> None:
        self.capacity = capacity
        """Tokens that fit, prompt and answer together."""
        self._tools = tuple(tools)
        self._units: list[Unit] = []

    async def append(self, units: Sequence[Unit]) -> None:
        self._units.extend(units)

    def mark(self) -> Mark:
        return Mark(len(self._units))

    def rewind(self, mark: Mark) -> None:
        del self._units[mark.units :]
