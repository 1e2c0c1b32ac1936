"""Calls that a model writes as plain text, where its server does not parse them. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from pipeline.decoders.decoder import Finished, Generated, Token, Tool, ToolCall
from pipeline.decoders.hermes import CallParser


class PlainCalls:
    """Reads one answer: a text that is a call of a known tool becomes one, any other text stays as it is."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        """`tools`: those that may be called."""
        self._parser = CallParser(tools, strict=False) if tools else None

    def read(self, parts: Iterable[Generated]) -> Iterator[Generated]:
        """The next parts of the answer; text that may become a call is held back until that is certain."""
        for part in parts:
            if self._parser is not None and isinstance(part, Token):
                yield from self._parser.push(part.text)
                continue
            if self._parser is not None and isinstance(part, ToolCall | Finished):
                yield from self._parser.finish()
            yield part
