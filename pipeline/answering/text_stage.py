"""From a decoder's tokens to a written answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pipeline.answering.output_items import OutputItems
from pipeline.decoders.decoder import Finished, Generated, Thought, Token, ToolCall


async def write_out(written: AsyncGenerator[Generated], items: OutputItems) -> None:
    """Put all that the decoder writes into `items`, token by token. Raises what the decoder raises."""
    async with aclosing(written):
        async for part in written:
            if items.stopped:
                return
            if isinstance(part, Thought):
                items.think(part.text)
                continue
            items.timeline.stamp("first_token")
            match part:
                case Token():
                    # Blank space before a tool call is no message, and none begins with it.
                    text = part.text if items.message is not None else part.text.lstrip()
                    if text:
                        items.say(text)
                case ToolCall():
                    items.call(part)
                case Finished():
                    items.finish(part)
    items.close()
