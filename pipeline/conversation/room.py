"""Whether the instructions and tools of a session leave room in the context for a conversation."""

import json
from collections.abc import Sequence
from typing import Literal

from pipeline.decoders.decoder import Decoder, Tool

_FOR_A_TURN = 64
"""Tokens that are kept for what a person says: some fifty words."""
_OF_TEMPLATES = 256
"""Tokens that templates add at most to instructions and tools."""


async def too_long(
    decoder: Decoder, instructions: str, tools: Sequence[Tool], reserve: int
) -> Literal["instructions", "tools"] | None:
    """Which of the two cannot fit into the decoder's context; None: both do. `reserve`: tokens of an answer.

    Text that is short in bytes is not tokenized: a token has at least one. Raises `DecoderError`.
    """
    room = decoder.capacity - reserve - _FOR_A_TURN
    signatures = json.dumps([[tool.name, tool.description, tool.parameters] for tool in tools], ensure_ascii=False)
    if len((instructions + signatures).encode()) + _OF_TEMPLATES <= room:
        return None
    if await _length(decoder, instructions, tools) <= room:
        return None
    return "tools" if tools and await _length(decoder, instructions, ()) <= room else "instructions"


async def _length(decoder: Decoder, instructions: str, tools: Sequence[Tool]) -> int:
    context = decoder.open(instructions, tools)
    try:
        return await context.length()
    finally:
        await context.close()
