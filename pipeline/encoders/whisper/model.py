"""A Whisper model without its 30 s: a window of audio is encoded as it is, and costs what it is long."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

# oneDNN caches its primitives for a thousand lengths of input, 0.5 GB, and no two passes have the same length.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8")

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from pipeline.encoders.logmel import LogMels, scaled
from pipeline.encoders.whisper.guards import Hypothesis
from pipeline.encoders.whisper.text_decoder import opened
from pipeline.encoders.whisper.vocabulary import Vocabulary

FULL_FRAMES = 3000
"""Log-mel frames of Whisper's 30 s; its encoder makes one output of two frames."""
SILENT_FRAMES = 60
"""Silent frames encoded after the last real one, so that the real ones see the silence that they would see in 30 s."""
SPLICED_OUTPUTS = 150
"""Outputs for pure silence that follow. Without them the decoder takes the end for a cut, and loops."""
MIN_ENCODED_FRAMES = 300
"""Shortest input of the encoder. A spliced output is that of silence without any speech; only one that was encoded
along with the word shows that the word is over. Of 120 words, 60 frames after the word and 150 outputs repeat 26."""
MIN_OUTPUTS = 900
"""Fewest outputs that the decoder sees of a window below `MIN_ENCODED_FRAMES`. With little silence after a short word,
it still attends to the word when it has written it, and writes it again: of 60 soft words, 2 at 650, none at 900."""
SILENCES = (-0.7, -0.95, -1.2)
"""Scaled log-mel of silence after loud, ordinary and soft speech; the one nearest to the window's floor is spliced.
With the loud one alone, 4 of 60 soft words are repeated at 650 outputs instead of 2."""
LEAST_GUESS = 4
"""Tokens of an earlier transcript that are worth checking. Shorter ones cost little to write, and with the checking
decoder's rounding one of 30 soft words is written twice."""
Encoding = NDArray[np.float32]
"""The encoder's output for a window. Shape (1, outputs, d_model)."""


class WhisperModel:
    """Any Whisper model that was converted for CTranslate2, English-only or multilingual.

    `folder` holds model.bin, config.json, tokenizer.json and vocabulary.txt or .json. Safe to use from several threads:
    each call runs on one of the model's own workers, with `threads` threads. Raises `ValueError` if the folder holds
    something else.
    """

    def __init__(self, folder: Path, compute_type: str, threads: int) -> None:
        if "alignment_heads" not in json.loads((folder / "config.json").read_text()):
            raise ValueError(f"{folder}/config.json names no alignment_heads: convert the model again")
        self._model = ctranslate2.models.Whisper(
            str(folder),
            compute_type=compute_type,
            inter_threads=max(1, (os.cpu_count() or 1) // threads),
            intra_threads=threads,
        )
        self.vocabulary = Vocabulary(folder)
        self._text_decoder = opened(folder, compute_type == "int8", threads, self.vocabulary)
        self.n_mels: int = self._model.n_mels
        self._silences = {
            level: self._encode(np.full((self.n_mels, FULL_FRAMES), level, np.float32)) for level in SILENCES
        }

    def encode(self, log_mels: LogMels) -> Encoding:
        """Encode the real frames and a little silence, followed by the cached encoding of silence."""
        frames = min(max(log_mels.shape[1] + SILENT_FRAMES, MIN_ENCODED_FRAMES), FULL_FRAMES)
        features = scaled(log_mels, frames)
        floor = float(features.min())
        silence = self._silences[min(SILENCES, key=lambda level: abs(level - floor))]
        real = self._encode(features)
        outputs, short = real.shape[1], log_mels.shape[1] < MIN_ENCODED_FRAMES
        end = max(outputs + SPLICED_OUTPUTS, MIN_OUTPUTS if short else 0)
        return np.concatenate((real, silence[:, outputs:end]), axis=1)

    def encode_padded(self, log_mels: LogMels) -> Encoding:
        """Encode as Whisper was trained, padded with silence to 30 s: many times more expensive."""
        return self._encode(scaled(log_mels, FULL_FRAMES))

    def language(self, encoding: Encoding) -> str:
        """The likeliest language's token, such as "<|en|>"; "" for a model that knows English only."""
        if not self._model.is_multilingual:
            return ""
        ((likeliest, *_),) = self._model.detect_language(ctranslate2.StorageView.from_array(encoding))
        return str(likeliest[0])

    def decode(
        self,
        encoding: Encoding,
        language: str,
        limit: int,
        *,
        context: Sequence[int] = (),
        prefix: Sequence[int] = (),
        prefix_logprob: float = 0.0,
        guess: Sequence[int] = (),
        temperature: float = 0.0,
    ) -> Hypothesis:
        """Transcribe a window in at most `limit` tokens, of which `prefix` are the first.

        `context` is the transcript before the window. Without any, the text begins with a capital letter: where tiny.en
        begins with a small one, it ends questions with a full stop. `prefix_logprob` is the mean log-probability of the
        prefix, which is not computed again. `guess`, an earlier transcript, is checked instead of written again.
        """
        vocabulary = self.vocabulary
        past = (vocabulary.id("<|startofprev|>"), *context) if context else ()
        prompt = [*past, *vocabulary.task(language), vocabulary.id("<|notimestamps|>")]
        if self._text_decoder is not None and len(guess) >= LEAST_GUESS and not temperature:
            news = self._text_decoder.write(encoding[0], prompt, len(past), prefix, guess, limit)
            written, logprob, no_speech = [*prefix, *news.tokens], news.logprob, news.no_speech
        else:
            written, logprob, no_speech = self._generate(encoding, prompt, prefix, limit, temperature)
            if not context and not prefix and vocabulary.lower_case.intersection(written[:1]):
                prefix, prefix_logprob = vocabulary.capitalized(written), logprob / (len(written) + 1)
                written, logprob, _ = self._generate(encoding, prompt, prefix, limit, temperature)
        tokens = tuple(token for token in written if token < vocabulary.end_of_text)
        return Hypothesis(
            tokens=tokens,
            text=vocabulary.text(tokens),
            logprob=(prefix_logprob * len(prefix) + logprob) / (len(written) + 1),
            no_speech=no_speech,
            unfinished=len(written) >= limit,
        )

    def starts(self, encoding: Encoding, language: str, tokens: Sequence[int], frames: int) -> list[int]:
        """The log-mel frame in which each token begins, from the decoder's alignment heads."""
        (result,) = self._model.align(
            ctranslate2.StorageView.from_array(encoding), self.vocabulary.task(language), [list(tokens)], frames
        )
        found: dict[int, int] = {}
        for token, output in result.alignments:
            found.setdefault(token, 2 * output)
        return [found[index] for index in range(len(tokens))]

    def _generate(
        self, encoding: Encoding, prompt: Sequence[int], prefix: Sequence[int], limit: int, temperature: float
    ) -> tuple[list[int], float, float]:
        """The prefix and what follows it, the sum of the latter's log-probabilities, and the no-speech probability."""
        (result,) = self._model.generate(
            ctranslate2.StorageView.from_array(encoding),
            [[*prompt, *prefix]],
            beam_size=1,
            # CTranslate2 takes half of it, or what the prompt leaves, whichever is less.
            max_length=max(2 * limit, limit + len(prompt)),
            # It counts the prefix as written before, and would not let the text end right after it.
            suppress_blank=not prefix,
            sampling_topk=0 if temperature else 1,
            sampling_temperature=temperature or 1.0,
            return_scores=True,
            return_no_speech_prob=True,
        )
        written = result.sequences_ids[0]
        return written, result.scores[0] * len(written), result.no_speech_prob

    def _encode(self, features: LogMels) -> Encoding:
        encoded = self._model.encode(ctranslate2.StorageView.from_array(features[None]), to_cpu=True)
        return np.array(encoded, np.float32)
