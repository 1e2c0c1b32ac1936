"""Whisper's text decoder in ONNX Runtime: an earlier transcript is checked in one pass, and only its end is written."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime import SessionOptions

from pipeline.encoders.whisper.decoder_graph import DecoderShape, crossing_graph, crossing_names, tokens_graph
from pipeline.encoders.whisper.vocabulary import Vocabulary
from pipeline.encoders.whisper.weights_file import WeightsFile
from tts.engines.onnx_session import cpu_session

Floats = NDArray[np.float32]

log = logging.getLogger(__name__)

_LARGEST = 1_900_000_000
"""Bytes of weights. A graph must stay below 2 GiB, the limit of protocol buffers."""
_NEVER = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Written:
    """What was written after the prefix."""

    tokens: tuple[int, ...]
    logprob: float
    """Sum over the tokens and the end of the text, natural logarithm."""
    no_speech: float
    """Probability that there is no speech."""


def opened(folder: Path, quantized: bool, threads: int, vocabulary: Vocabulary) -> "TextDecoder | None":
    """A `TextDecoder` of these; None, and a warning, if the weights cannot be used."""
    try:
        return TextDecoder(folder, quantized, threads, vocabulary)
    except ValueError as error:
        log.warning("transcripts are written again at every pass instead of checked: %s", error)
        return None


class TextDecoder:
    """The text decoder of a Whisper model; shared by all conversations, safe in several threads.

    `folder` is that of the CTranslate2 model whose weights it uses. `quantized`: int8 arithmetic instead of float32.
    Raises `ValueError` if the weights cannot be used.
    """

    def __init__(self, folder: Path, quantized: bool, threads: int, vocabulary: Vocabulary) -> None:
        config = json.loads((folder / "config.json").read_text())
        weights = WeightsFile(folder / "model.bin")
        shape = DecoderShape(weights)
        if shape.parameters * (1 if quantized else 4) > _LARGEST:
            raise ValueError(f"{folder} is too large for one graph in float32; int8 would fit")
        self._end_of_text = vocabulary.end_of_text
        self._no_speech = vocabulary.no_speech
        # One row of it is read for a token, so it stays in the file.
        self._embeddings = weights.rows("decoder/embeddings/weight")
        self._positions = weights.floats("decoder/position_encodings/encodings")
        self._suppressed = _mask(shape.vocabulary, config["suppress_ids"])
        self._suppressed[vocabulary.end_of_text + 1 :] = _NEVER
        self._not_first = _mask(shape.vocabulary, config["suppress_ids_begin"])
        self._not_at_the_start = self._not_first + _mask(shape.vocabulary, list(vocabulary.lower_case))
        self._nothing = np.zeros((shape.layers, 2, shape.heads, 0, shape.head), np.float32)
        self._heard = crossing_names(shape)
        self._crossing, self._tokens = (
            cpu_session(graph(weights, quantized), threads, _sleeping()) for graph in (crossing_graph, tokens_graph)
        )

    def write(
        self,
        audio: Floats,
        prompt: Sequence[int],
        start: int,
        prefix: Sequence[int],
        guess: Sequence[int],
        limit: int,
    ) -> Written:
        """Write the likeliest text for `audio` [outputs, width], token by token, in at most `limit` tokens.

        The text begins with `prefix`. The token at `start` of the `prompt` begins the transcript, with a capital letter
        unless something was said before. As far as `guess`, an earlier text with the same prefix, is what would be
        written, it takes one pass; each other token takes one more.
        """
        heard = dict(zip(self._heard, self._crossing.run(None, {"audio": audio}), strict=True))
        known = [*prompt, *prefix]
        draft = list(guess[len(prefix) :]) if tuple(guess[: len(prefix)]) == tuple(prefix) else []
        draft = draft[: limit - len(prefix)]
        rows = [start, *range(len(known) - 1, len(known) + len(draft))]
        logits, past = self._run([*known, *draft], self._nothing, heard, rows)
        no_speech = float(np.exp(_logprobs(logits[0])[self._no_speech]))
        not_first = self._not_first if start else self._not_at_the_start
        mask = self._suppressed if prefix else self._suppressed + not_first
        tokens: list[int] = []
        total = 0.0
        row = 1
        while True:
            logprobs = _logprobs(logits[row] + mask)
            token = int(logprobs.argmax())
            total += float(logprobs[token])
            if token == self._end_of_text:
                break
            tokens.append(token)
            if len(prefix) + len(tokens) >= limit:
                break
            mask = self._suppressed
            row += 1
            as_guessed = draft[:1] == [token]
            # What was guessed may follow after another word, and may hold a word too much.
            draft = draft[draft.index(token) + 1 :] if token in draft else draft
            if not as_guessed:
                past = past[:, :, :, : len(known) + len(tokens) - 1]
                logits, past = self._run([token, *draft], past, heard, range(len(draft) + 1))
                row = 0
        return Written(tuple(tokens), total, no_speech)

    def _run(
        self, tokens: Sequence[int], past: Floats, heard: dict[str, Floats], rows: Sequence[int]
    ) -> tuple[Floats, Floats]:
        new, before = len(tokens), past.shape[3]
        embedded = self._embeddings(tokens) + self._positions[before : before + new]
        feed = {
            "tokens": embedded,
            "mask": np.triu(np.full((new, before + new), _NEVER), before + 1),
            "past": past,
            "rows": np.array(rows, np.int64),
            **heard,
        }
        logits, present = self._tokens.run(None, feed)
        return logits, present


def _mask(length: int, never: Sequence[int]) -> Floats:
    mask = np.zeros(length, np.float32)
    mask[[token for token in never if token >= 0]] = _NEVER
    return mask


def _logprobs(logits: Floats) -> Floats:
    shifted = logits - logits.max()
    logprobs: Floats = shifted - np.log(np.exp(shifted).sum())
    return logprobs


def _sleeping() -> SessionOptions:
    """Threads that sleep while they wait: other models share the cores."""
    options = SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
