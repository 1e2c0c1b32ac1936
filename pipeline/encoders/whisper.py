"""Whisper, listening while the person speaks: nothing is padded to 30 s; a look costs what was really said."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, chain
from pathlib import Path

# oneDNN keeps what it has worked out for each length of input, a thousand of them: 0.5 GB. No two looks are alike.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8")

import ctranslate2
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pipeline.audio import INPUT_RATE
from pipeline.encoders.agreement import Agreement, Unit
from pipeline.encoders.encoder import Heard
from pipeline.encoders.guards import (
    MAX_NO_SPEECH,
    MAX_REPEATED,
    MIN_LOGPROB,
    Hypothesis,
    doubtful,
    plain,
    plain_words,
    runaway,
    said_again,
    silent,
)
from pipeline.encoders.logmel import HOP, LogMel, LogMels, scaled
from pipeline.encoders.windows import Cut, cut_anywhere, cut_at_sentence
from tts.synthesizer import Pcm

FULL_FRAMES = 3000
"""Log-mel frames of Whisper's 30 s; its encoder makes one output of two."""
SILENT_FRAMES = 60
"""Encoded behind the last real frame, so that the real ones see the silence that they would see in 30 s."""
SPLICED_OUTPUTS = 150
"""Outputs for pure silence that follow. The decoder takes an end without any for a cut, and loops."""
SILENCE = -0.7
"""Scaled log-mel of silence behind speech of ordinary loudness."""
SENTENCE_FRAMES = 800
"""From here on a window is closed where a sentence ends, because a look costs in proportion to its length."""
WINDOW_FRAMES = 2000
"""Here it is closed at the best gap there is."""
CONTEXT_TOKENS = 48
"""Words of closed windows that the decoder still sees."""
TOKENS_PER_FRAME = 0.1
"""Nobody speaks more than ten tokens a second; a decoder that writes more is looping."""
SPARE_TOKENS = 16
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Tried in turn on the padded window when it reads badly, as Whisper does."""
SENTENCE_MARKS = (".", "?", "!", "。", "？", "！")
UNSPACED = ("<|zh|>", "<|ja|>", "<|th|>", "<|lo|>", "<|my|>", "<|yue|>")
"""Languages written without spaces: there, each whole character counts as a word."""

Encoding = NDArray[np.float32]
"""What the encoder made of a window: shape (1, outputs, d_model)."""


class Whisper:
    """Any Whisper model that was converted for CTranslate2, English-only or multilingual.

    `folder` holds model.bin, config.json, tokenizer.json and vocabulary.txt or .json; `hop_s` is the audio that
    has to come between two looks. Safe to use from several threads: each call runs on one of the model's own
    workers, with `threads` threads. Raises `ValueError` if the folder holds something else.
    """

    exact = False
    """The log-mel is exact, each frame computed once. Not so the rest: Whisper's encoder looks both ways, so the
    open window is encoded again at each look; and words are committed before all of the audio is there."""

    def __init__(self, folder: Path, compute_type: str, threads: int, hop_s: float = 0.5) -> None:
        if "alignment_heads" not in json.loads((folder / "config.json").read_text()):
            raise ValueError(f"{folder}/config.json names no alignment_heads: convert the model again")
        self._model = ctranslate2.models.Whisper(
            str(folder),
            compute_type=compute_type,
            inter_threads=max(1, (os.cpu_count() or 1) // threads),
            intra_threads=threads,
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._end_of_text = self._id("<|endoftext|>")
        self.hop_samples = round(hop_s * INPUT_RATE)
        self.n_mels: int = self._model.n_mels
        silence = np.full((self.n_mels, FULL_FRAMES), SILENCE, np.float32)
        self._silence = self._encode(silence)

    def open(self) -> "WhisperStream":
        return WhisperStream(self)

    def warm_up(self) -> None:
        """Run every path of the model once, so that the first who speaks does not wait for memory pages."""
        stream = self.open()
        stream.push(np.zeros(INPUT_RATE, np.float32))
        stream.finish()

    def encode(self, log_mels: LogMels) -> Encoding:
        """Encode the real frames and a little silence; splice the cached encoding of silence behind them."""
        frames = min(log_mels.shape[1] + SILENT_FRAMES, FULL_FRAMES)
        real = self._encode(scaled(log_mels, frames))
        outputs = real.shape[1]
        return np.concatenate((real, self._silence[:, outputs : outputs + SPLICED_OUTPUTS]), axis=1)

    def encode_padded(self, log_mels: LogMels) -> Encoding:
        """Encode the way Whisper was trained: 30 s, silence behind. Many times dearer."""
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
        temperature: float = 0.0,
    ) -> Hypothesis:
        """Write what was said, in at most `limit` tokens of which `prefix` are the first.

        `context` is what was said before the window. `prefix_logprob` is the mean log-probability of the prefix,
        which is not computed again.
        """
        past = (self._id("<|startofprev|>"), *context) if context else ()
        prompt = [*past, *self._task(language), self._id("<|notimestamps|>")]
        (result,) = self._model.generate(
            ctranslate2.StorageView.from_array(encoding),
            [[*prompt, *prefix]],
            beam_size=1,
            # CTranslate2 takes half of it, or what the prompt leaves, whichever is less.
            max_length=max(2 * limit, limit + len(prompt)),
            # It counts the prefix as written before, and would not let the text end right behind it.
            suppress_blank=not prefix,
            sampling_topk=0 if temperature else 1,
            sampling_temperature=temperature or 1.0,
            return_scores=True,
            return_no_speech_prob=True,
        )
        written = result.sequences_ids[0]
        tokens = tuple(token for token in written if token < self._end_of_text)
        logprob = prefix_logprob * len(prefix) + result.scores[0] * len(written)
        return Hypothesis(
            tokens=tokens,
            text=self.text(tokens),
            logprob=logprob / (len(written) + 1),
            no_speech=result.no_speech_prob,
            unfinished=len(written) >= limit,
        )

    def likelihood(self, encoding: Encoding, language: str, tokens: Sequence[int], frames: int) -> float:
        """The log-probability of these words, natural logarithm."""
        (result,) = self._model.align(
            ctranslate2.StorageView.from_array(encoding), self._task(language), [list(tokens)], frames
        )
        return float(np.sum(np.log(np.maximum(result.text_token_probs, 1e-9))))

    def starts(self, encoding: Encoding, language: str, tokens: Sequence[int], frames: int) -> list[int]:
        """The log-mel frame in which each token begins, by the attention of the decoder's alignment heads."""
        (result,) = self._model.align(
            ctranslate2.StorageView.from_array(encoding), self._task(language), [list(tokens)], frames
        )
        found: dict[int, int] = {}
        for token, output in result.alignments:
            found.setdefault(token, 2 * output)
        return [found[index] for index in range(len(tokens))]

    def units(self, tokens: Sequence[int], language: str) -> list[Unit]:
        """Group tokens into words."""
        units: list[Unit] = []
        for token in tokens:
            if language in UNSPACED:
                begins = not units or "\ufffd" not in self.text(units[-1])
            else:
                begins = not units or self.text([token]).startswith(" ")
            if begins:
                units.append((token,))
            else:
                units[-1] += (token,)
        return units

    def tokens(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(f" {text}", add_special_tokens=False).ids)

    def text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens)))

    def _encode(self, features: LogMels) -> Encoding:
        encoded = self._model.encode(ctranslate2.StorageView.from_array(features[None]), to_cpu=True)
        return np.array(encoded, np.float32)

    def _task(self, language: str) -> list[int]:
        named = ("<|startoftranscript|>", *((language, "<|transcribe|>") if language else ()))
        return [self._id(token) for token in named]

    def _id(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no {token}: is this a Whisper model?")
        return int(found)


class WhisperStream:
    """One utterance. What it keeps is bounded: the text, and the log-mel of the open window, at most 20 s."""

    def __init__(self, whisper: Whisper) -> None:
        self._whisper = whisper
        self._mel = LogMel(whisper.n_mels)
        self._unseen = 0
        """Samples since the last look."""
        self._settled = True
        """Whether `_latest` is what the guards let pass of all samples."""
        self._language = ""
        self._past = ""
        """What was said in the windows that are closed."""
        self._context: tuple[int, ...] = ()
        """The last tokens of it."""
        self._agreement = Agreement()
        self._latest: tuple[Unit, ...] = ()
        """The last hypothesis that passed the guards. It begins with the committed words."""
        self._logprob = 0.0
        """Its mean log-probability."""

    def push(self, pcm: Pcm) -> Heard:
        """Take the samples; look at them if a hop came together since the last look: once, for however many."""
        while len(pcm):
            room = (WINDOW_FRAMES - len(self._mel)) * HOP
            self._mel.push(pcm[:room])
            self._unseen += len(pcm[:room])
            self._settled = False
            pcm = pcm[room:]
            if len(self._mel) >= WINDOW_FRAMES:
                self._close_anywhere(self._look(last=True))
        # A look costs in proportion to the window, and so is its hop.
        if self._unseen >= max(self._whisper.hop_samples, len(self._mel) * HOP // 16):
            encoding = self._look()
            if len(self._mel) >= SENTENCE_FRAMES:
                self._close_early(encoding)
        committed = self._agreement.committed
        return Heard(self._past + self._text(committed), self._text(self._latest[len(committed) :]))

    def finish(self) -> Heard:
        """One last look, of which all is committed; dearer only where the guards doubt it."""
        if not self._settled:
            self._look(last=True)
        return Heard(self._past + self._text(self._latest))

    def glance(self) -> str:
        hypothesis = self._decode(self._whisper.encode(self._mel.unscaled()))
        wrong = silent(hypothesis) or runaway(hypothesis) or hypothesis.logprob < MIN_LOGPROB
        return "" if wrong else hypothesis.text.strip()

    def margin(self, words: str, others: Sequence[str]) -> float:
        encoding = self._whisper.encode(self._mel.unscaled())

        def likelihood(text: str) -> float:
            tokens = self._whisper.tokens(text)
            return self._whisper.likelihood(encoding, self._language, tokens, len(self._mel))

        return likelihood(words) - max(map(likelihood, others))

    def _look(self, last: bool = False) -> Encoding:
        self._unseen = 0
        log_mels = self._mel.unscaled()
        encoding = self._whisper.encode(log_mels)
        committed = self._agreement.committed
        if not (self._past or committed):
            self._language = self._whisper.language(encoding)
        hypothesis: Hypothesis | None = self._decode(encoding, self._context)
        if hypothesis and doubtful(hypothesis):
            hypothesis = self._second_opinion(log_mels, hypothesis) if last else None
        if hypothesis:
            self._latest = (*committed, *self._news(hypothesis))
            self._logprob = hypothesis.logprob
            self._agreement.update(self._latest)
        elif last:
            self._latest = committed
        self._settled = last or hypothesis is not None
        return encoding

    def _news(self, hypothesis: Hypothesis) -> list[Unit]:
        """Its words behind the committed ones: these stay as they are, even if a comma turns up."""
        prefix = sum(map(len, self._agreement.committed))
        return self._whisper.units(hypothesis.tokens[prefix:], self._language)

    def _decode(self, encoding: Encoding, context: Sequence[int] = (), temperature: float = 0.0) -> Hypothesis:
        return self._whisper.decode(
            encoding,
            self._language,
            SPARE_TOKENS + round(TOKENS_PER_FRAME * len(self._mel)),
            context=context,
            prefix=flat(self._agreement.committed),
            prefix_logprob=self._logprob,
            temperature=temperature,
        )

    def _second_opinion(self, log_mels: LogMels, first: Hypothesis) -> Hypothesis | None:
        """Look at the window padded to 30 s, without context, at rising temperatures. None: no words in it."""
        encoding = self._whisper.encode_padded(log_mels)
        for temperature in TEMPERATURES:
            hypothesis = self._decode(encoding, temperature=temperature)
            if silent(hypothesis):
                return None
            # What both ways of encoding repeat was really said twice.
            repeated = plain_words(hypothesis.text) == plain_words(first.text)
            if not doubtful(hypothesis) or (repeated and not runaway(hypothesis)):
                return hypothesis
        return self._once(first)

    def _once(self, hypothesis: Hypothesis) -> Hypothesis | None:
        """What a loop says before it says it again: words that were there may be the reason why it loops."""
        if hypothesis.no_speech > MAX_NO_SPEECH or hypothesis.logprob < MIN_LOGPROB:
            return None
        committed = self._agreement.committed
        units = [*committed, *self._news(hypothesis)]
        while len(again := said_again([plain(self._text([unit])) for unit in units])) > MAX_REPEATED:
            if again.stop <= len(committed):
                return None
            # Behind a loop that was cut off there is only the rest of it.
            del units[max(again.start, len(committed)) : None if hypothesis.unfinished else again.stop]
        once = replace(hypothesis, tokens=flat(units), text=self._text(units), unfinished=False)
        return None if doubtful(once) else once

    def _close_early(self, encoding: Encoding) -> None:
        """Close the window where a sentence is over, or where there has been nothing but noise."""
        if not self._latest:
            encoding = self._look(last=True)
            if not self._latest:
                self._close_anywhere(encoding)
            return
        sure = self._latest[: min(len(self._agreement.committed), len(self._latest) - 1)]
        ends = [word for word, unit in enumerate(sure, 1) if self._text([unit]).endswith(SENTENCE_MARKS)]
        if ends and (cut := cut_at_sentence(self._mel.unscaled(), self._starts(encoding), ends)):
            self._close(cut)

    def _close_anywhere(self, encoding: Encoding) -> None:
        starts = self._starts(encoding) if self._latest else []
        self._close(cut_anywhere(self._mel.unscaled(), starts, len(self._agreement.committed)))

    def _starts(self, encoding: Encoding) -> list[int]:
        """The frame in which each word of the latest hypothesis begins."""
        tokens = self._whisper.starts(encoding, self._language, flat(self._latest), len(self._mel))
        lengths = map(len, self._latest)
        return [tokens[index] for index in accumulate(lengths, initial=0) if index < len(tokens)]

    def _close(self, cut: Cut) -> None:
        """Words before the cut are committed for good; those behind it begin the next window."""
        said, kept = self._latest[: cut.word], self._latest[cut.word :]
        self._past += self._text(said)
        self._context = (*self._context, *flat(said))[-CONTEXT_TOKENS:]
        self._agreement = Agreement(self._agreement.committed[cut.word :], kept)
        self._latest = kept
        self._mel.drop(cut.frame)

    def _text(self, units: Sequence[Unit]) -> str:
        return self._whisper.text(flat(units))


def flat(units: Sequence[Unit]) -> tuple[int, ...]:
    return tuple(chain.from_iterable(units))
