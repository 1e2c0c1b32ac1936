"""A prompt through the model's own chat template, for decoders that tokenize it themselves. Pure.

The template renders stand-ins for what was said. The texts themselves are tokenized apart from it and take the places
of the stand-ins, so that nothing a person says can be read as a control token.
"""

from collections.abc import Sequence

from pipeline.decoders import hermes
from pipeline.decoders.decoder import DecoderError, Text, Tool, Unit
from pipeline.decoders.messages import Piece, Tag, joined, parted
from pipeline.decoders.thought_formats import ThoughtFormat


class TemplateInput:
    """The messages of a conversation for a chat template, with a stand-in for each of their pieces."""

    def __init__(self, instructions: str, tools: Sequence[Tool], units: Sequence[Unit]) -> None:
        """`units`: whole messages; the last one may be open. Raises `DecoderError` for a clip."""
        self.pieces: list[Piece] = [instructions + hermes.describe(tools)]
        """Texts and embeddings in the order of their stand-ins."""
        self.messages = [{"role": "system", "content": _stand_in(0)}]
        """What the template is applied to."""
        for role, pieces in joined(units):
            content = ""
            for piece in pieces:
                if isinstance(piece, Tag):
                    content += piece
                else:
                    content += _stand_in(len(self.pieces))
                    self.pieces.append(piece)
            self.messages.append({"role": role, "content": content})

    def split(self, rendered: str) -> tuple[list[tuple[str, Piece]], str]:
        """Each piece with the template's text before it, and the template's text after the last one.

        `rendered` is the template's output for `messages`. Raises `DecoderError` if a stand-in is missing there.
        """
        parts: list[tuple[str, Piece]] = []
        for number, piece in enumerate(self.pieces):
            before, found, rendered = rendered.partition(_stand_in(number))
            if not found:
                raise DecoderError("the model's chat template drops messages; choose a model with another template")
            parts.append((before, piece))
        return parts, rendered


def split_answer(units: list[Unit], at_once: bool) -> tuple[list[Unit], list[Unit] | None]:
    """The closed messages, and the content of the assistant's open message; None: the template begins a new one.

    `at_once`: begin a new one with an empty text, so that it does not begin with a thought.
    """
    closed, answer = parted(units)
    return closed, [Text("")] if answer is None and at_once else answer


def opening_of_answer(
    form: ThoughtFormat, rest: str, answer: Sequence[Unit] | None
) -> tuple[list[tuple[str, bool]], bool]:
    """The end of the prompt, from the template's `rest` to where generation starts, and whether that is in a thought.

    The prompt's end is pieces of text, each with whether control tokens spelled out in it are to be read as such.
    """
    if answer is None:
        return [(rest, True)], form.is_thinking(rest)
    return form.continuation(rest, answer), form.continues_thought(answer)


def _stand_in(number: int) -> str:
    return f"\ue000{number}\ue001"
