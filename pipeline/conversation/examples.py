"""Exchanges before a conversation, from which a model learns how to answer. Pure."""

from collections.abc import Sequence

from pipeline.conversation.context_sync import ItemUnits
from pipeline.decoders.decoder import Close, Open, Text


def example_units(examples: Sequence[tuple[str, str]]) -> list[ItemUnits]:
    """What a decoder reads of questions with their answers: turns like those of a conversation, the first to go."""
    return [
        ItemUnits(
            f"example {number}",
            (
                *(Open("user"), Text(question), Close("user")),
                *(Open("assistant"), Text(answer), Close("assistant")),
            ),
        )
        for number, (question, answer) in enumerate(examples)
    ]
