"""The units of a context, which every backend keeps in the same way."""

from collections.abc import Sequence

from pipeline.decoders.decoder import Mark, Tool, ToolChoice, Unit


class UnitList:
    """A context's units, in order: appended at the end, rewound to marks."""

    def __init__(self, capacity: int, tools: Sequence[Tool], units: Sequence[Unit] = ()) -> None:
        self.capacity = capacity
        """Tokens that prompt and answer may take together."""
        self._tools = tuple(tools)
        self._units = list(units)

    async def append(self, units: Sequence[Unit]) -> None:
        self._units.extend(units)

    def forced_tools(self, choice: ToolChoice) -> tuple[Tool, ...]:
        """The tools of which one must be called; empty if the model may answer with speech."""
        if isinstance(choice, Tool):
            return (choice,)
        return self._tools if choice == "required" else ()

    def mark(self) -> Mark:
        return Mark(len(self._units))

    def rewind(self, mark: Mark) -> None:
        del self._units[mark.units :]
