"""Splits the text that a model generates into thoughts, speech and tool calls. Pure."""

from collections.abc import Iterator, Sequence

from pipeline.decoders import hermes
from pipeline.decoders.decoder import Thought, Token, Tool, ToolCall
from pipeline.decoders.thought_formats import ThoughtFormat, ThoughtSplitter


class GeneratedText:
    """The text of one answer as it arrives, in pieces of any length."""

    def __init__(self, form: ThoughtFormat, thinking: bool, tools: Sequence[Tool] = (), opening: str = "") -> None:
        """`thinking`: whether generation starts inside a thought. `tools`: those that may be called. `opening`: the
        start of a tool call that the prompt ends with."""
        self._thoughts = ThoughtSplitter(form, thinking)
        self._calls = hermes.CallParser(tools, opening)

    def push(self, text: str) -> Iterator[Thought | Token | ToolCall]:
        """Take the next piece. The end of what may become a tag is held back. Raises `DecoderError` for a bad call."""
        yield from self._with_calls(self._thoughts.push(text))

    def finish(self) -> Iterator[Thought | Token | ToolCall]:
        """What was held back. Raises `DecoderError` for a bad call."""
        yield from self._with_calls(self._thoughts.finish())
        yield from self._calls.finish()

    def _with_calls(self, parts: Iterator[Thought | Token]) -> Iterator[Thought | Token | ToolCall]:
        for part in parts:
            if isinstance(part, Thought):
                yield part
            else:
                yield from self._calls.push(part.text)
