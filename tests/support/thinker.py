"""A scripted decoder that thinks and speaks."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from pipeline.decoders.decoder import Finished, Generated, Sampling, Text, Thought, Token, Tool, ToolCall, ToolChoice
from pipeline.runtime.pulse import Pulse
from pipeline.thinking.streams import StreamContext
from tests.support.scripted import ScriptedContext, ScriptedDecoder

THOUGHTS = "They ask for six times seven. Six times seven is forty two. That is all there is to it."
ANSWER = "Six times seven, if you ask me, is forty two. That is the answer, to all of it."


class Thinker(ScriptedDecoder):
    """Thinks its thoughts and says its words, each from where the context leaves off; a token is a word."""

    def __init__(self, thoughts: str = THOUGHTS, answer: str = ANSWER, calls: bool = False) -> None:
        """`calls`: whether it calls a tool after its answer."""
        super().__init__([])
        self.thinks = True
        self.thoughts = thoughts
        self.answer = answer
        self.calls = calls
        self.called = 0
        self.log: list[str] = []
        """A letter a token: t of thought, s of speech."""
        self.running = 0
        """Streams that are being written."""

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> "ThinkingContext":
        self.open_contexts += 1
        return ThinkingContext(self)


class ThinkingContext(ScriptedContext):
    _decoder: Thinker

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Generated]:
        last = self.units[-1]
        decoder = self._decoder
        kind, script = (Thought, decoder.thoughts) if isinstance(last, Thought) else (Token, decoder.answer)
        assert isinstance(last, Thought | Text)
        decoder.prompts.append(list(self.units))
        written = len(last.text.split())
        words = script.split()[written:]
        decoder.running += 1
        try:
            for number, word in enumerate(words[: sampling.max_tokens]):
                await asyncio.sleep(0)
                if decoder.hold is not None and number == len(words) - 1:
                    await decoder.hold.wait()
                decoder.log.append("t" if kind is Thought else "s")
                self._so_far = Finished("stop", 10, 5, number + 1)
                yield kind(f" {word}" if written + number else word)
            if decoder.calls and kind is Token:
                decoder.called += 1
                yield ToolCall("clock", "{}")
            self._so_far = Finished("stop" if len(words) <= sampling.max_tokens else "length", 10, 5, len(words))
            yield self._so_far
        finally:
            decoder.running -= 1


def unheard() -> StreamContext:
    """The streams' conversation where nobody listens: nothing is left to play, and time stands still."""
    return StreamContext(lambda: 0.0, Pulse(), lambda text: None, lambda: None)
