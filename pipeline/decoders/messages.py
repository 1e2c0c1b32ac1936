"""A context's units as the messages that chat templates know. Pure."""

from collections.abc import Sequence

from pipeline.decoders import hermes
from pipeline.decoders.decoder import Called, Close, DecoderError, Open, Returned, Text, Thought, Unit
from pipeline.embeddings import Clip, Embeddings

Piece = str | Embeddings
"""Of a message: words, or sound in their place."""


def parted(units: list[Unit]) -> tuple[list[Unit], list[Unit] | None]:
    """The messages that are over, and what stands in the assistant's message that is open behind them, if one is."""
    opened = max((n for n, unit in enumerate(units) if isinstance(unit, Open)), default=0)
    if not units or units[opened] != Open("assistant") or isinstance(units[-1], Close):
        return units, None
    return units[:opened], units[opened + 1 :]


def joined(units: Sequence[Unit]) -> list[tuple[str, list[Piece]]]:
    """Messages as role and pieces; neighbours of one role are joined, as many templates demand.

    The last one may be open.
    """
    messages: list[tuple[str, list[Piece]]] = []
    for unit in units:
        match unit:
            case Open():
                # A function's answer goes in as the user's words: not every template knows the role "tool".
                role = "user" if unit.role == "tool" else unit.role
                if messages and messages[-1][0] == role:
                    messages[-1][1].append("\n")
                else:
                    messages.append((role, []))
            case Close() | Thought():
                pass
            case Embeddings():
                messages[-1][1].append(unit)
            case Clip():
                raise DecoderError("this decoder can't read sound as it is: a server can, through the backend openai")
            case _:
                messages[-1][1].append(_words(unit))
    return messages


def _words(unit: Text | Called | Returned) -> str:
    match unit:
        case Text():
            return unit.text
        case Called():
            return hermes.call_text(unit.name, unit.arguments)
        case Returned():
            return hermes.result_text(unit.output)


def in_words(pieces: Sequence[Piece]) -> list[str]:
    """The same for a model that reads nothing but words. Raises `DecoderError` if there is sound among them."""
    words = [piece for piece in pieces if isinstance(piece, str)]
    if len(words) < len(pieces):
        raise DecoderError("this decoder reads words: it needs an encoder that writes them, as whisper does")
    return words


def stand_in(number: int) -> str:
    """What is put into a chat template in the place of the words number `number`."""
    return f"\ue000{number}\ue001"


def closes_a_sentence(token: str) -> bool:
    """Not an ellipsis: that is how unfinished sentences are written."""
    return token.strip(" \"'”’)") in (".", "?", "!") or token.startswith("\n")
