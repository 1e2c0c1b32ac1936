"""A context's units as the messages of a chat template. Pure."""

from collections.abc import Sequence

from pipeline.decoders import hermes
from pipeline.decoders.decoder import Close, DecoderError, Open, Text, Thought, ToolCallUnit, ToolResultUnit, Unit
from pipeline.encoders.audio_units import Clip, Embeddings
from tts.frontend.sentences import SENTENCE_STOPS

Piece = str | Embeddings
"""A part of a message: text or audio."""


class Tag(str):
    """A tag of tool calls in a message. Models that were taught it have a token of its own for it, as they wrote it."""

    __slots__ = ()


def parted(units: list[Unit]) -> tuple[list[Unit], list[Unit] | None]:
    """The closed messages, and the content of the assistant's open message after them; None: there is no open one."""
    opened = max((n for n, unit in enumerate(units) if isinstance(unit, Open)), default=0)
    if not units or units[opened] != Open("assistant") or isinstance(units[-1], Close):
        return units, None
    return units[:opened], units[opened + 1 :]


def joined(units: Sequence[Unit]) -> list[tuple[str, list[Piece | Tag]]]:
    """Messages as role and pieces. Successive messages of one role are joined, as many templates demand.

    The last message may be open. Raises `DecoderError` for a clip.
    """
    messages: list[tuple[str, list[Piece | Tag]]] = []
    for unit in units:
        match unit:
            case Open():
                # A tool's output is given as the user's text: not every template knows the role "tool".
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
            case Text():
                messages[-1][1].append(unit.text)
            case ToolCallUnit():
                before = ["\n"] if messages[-1][1] else []
                call = hermes.call_text(unit.name, unit.arguments)
                messages[-1][1].extend([*before, Tag(hermes.CALL_OPENS), call, Tag(hermes.CALL_CLOSES)])
            case ToolResultUnit():
                result = f"\n{unit.output}\n"
                messages[-1][1].extend([Tag(hermes.RESULT_OPENS), result, Tag(hermes.RESULT_CLOSES)])
    return messages


def texts_of(pieces: Sequence[Piece]) -> list[str]:
    """The pieces of a message for a model that reads text only. Raises `DecoderError` if there is audio among them."""
    words = [piece for piece in pieces if isinstance(piece, str)]
    if len(words) < len(pieces):
        raise DecoderError("this decoder reads words: it needs an encoder that writes them, as whisper does")
    return words


def closes_a_sentence(token: str) -> bool:
    """Whether a token ends a sentence: a final mark or a line break, but not the ellipsis of an unfinished sentence."""
    return token.strip(" \"'”’)") in SENTENCE_STOPS or token.startswith("\n")
