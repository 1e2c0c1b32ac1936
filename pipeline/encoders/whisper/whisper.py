"""Streaming recognition with Whisper: nothing is padded to 30 s, so a pass costs what the audio is long."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

# oneDNN caches its primitives for a thousand lengths of input, 0.5 GB, and no two passes have the same length.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8")

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from audio.pcm import INPUT_RATE, Pcm
from pipeline.encoders.encoder import Glance, Heard
from pipeline.encoders.logmel import HOP, LogMel, LogMels, scaled
from pipeline.encoders.whisper.agreement import Agreement, Unit, flat
from pipeline.encoders.whisper.guards import (
    MAX_NO_SPEECH,
    MAX_REPEATED,
    MIN_LOGPROB,
    UNSURE_LOGPROB,
    Hypothesis,
    doubtful,
    looping,
    plain,
    plain_words,
    runaway,
    said_again,
    silent,
    unclear,
    unsure,
)
from pipeline.encoders.whisper.text_decoder import opened
from pipeline.encoders.whisper.vocabulary import Vocabulary
from pipeline.encoders.whisper.windows import Cut, cut_anywhere, cut_at_sentence

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
SENTENCE_FRAMES = 800
"""Length from which a window is closed at the end of a sentence, because a pass costs in proportion to it."""
WINDOW_FRAMES = 2000
"""Length at which a window is closed at its best gap."""
CONTEXT_TOKENS = 48
"""Tokens of closed windows that the decoder still sees."""
TOKENS_PER_FRAME = 0.1
"""Nobody speaks more than ten tokens a second: a decoder that writes more is looping."""
SPARE_TOKENS = 16
LEAST_GUESS = 4
"""Tokens of an earlier transcript that are worth checking. Shorter ones cost little to write, and with the checking
decoder's rounding one of 30 soft words is written twice."""
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Tried in turn on the padded window when the result is doubtful, as Whisper does."""
SENTENCE_MARKS = (".", "?", "!", "。", "？", "！")

Encoding = NDArray[np.float32]
"""The encoder's output for a window. Shape (1, outputs, d_model)."""


class WhisperEncoder:
    """Any Whisper model that was converted for CTranslate2, English-only or multilingual.

    `folder` holds model.bin, config.json, tokenizer.json and vocabulary.txt or .json; `hop_s` is the audio between two
    passes, in seconds. Safe to use from several threads: each call runs on one of the model's own workers, with
    `threads` threads. Raises `ValueError` if the folder holds something else.
    """

    exact = False
    """False: the log-mel is exact, but Whisper's encoder attends in both directions, so the open window is encoded
    again at each pass, and words are committed before all of the audio has arrived."""

    def __init__(self, folder: Path, compute_type: str, threads: int, hop_s: float = 0.25) -> None:
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
        self.hop_samples = round(hop_s * INPUT_RATE)
        self.n_mels: int = self._model.n_mels
        self._silences = {
            level: self._encode(np.full((self.n_mels, FULL_FRAMES), level, np.float32)) for level in SILENCES
        }

    def open(self) -> "WhisperStream":
        return WhisperStream(self)

    def warm_up(self) -> None:
        """Run every path of the model once, so that the first utterance does not wait for memory pages."""
        stream = self.open()
        stream.push(np.zeros(INPUT_RATE, np.float32))
        stream.finish()

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


class WhisperStream:
    """One utterance in Whisper. Its memory is bounded: the text, and the log-mel of the open window, at most 20 s."""

    waits = False

    def __init__(self, whisper: WhisperEncoder) -> None:
        self._whisper = whisper
        self._mel = LogMel(whisper.n_mels)
        self._unseen = 0
        """Samples since the last pass."""
        self._settled = True
        """Whether `_latest` covers all samples and has passed the guards."""
        self._unclear = False
        """Whether the open window has speech in it of which the guards believe no word."""
        self._language = ""
        self._past = ""
        """Transcript of the closed windows."""
        self._context: tuple[int, ...] = ()
        """The last tokens of the closed windows."""
        self._agreement = Agreement(whisper.vocabulary.marks)
        self._latest: tuple[Unit, ...] = ()
        """The last hypothesis that passed the guards. It begins with the committed words."""
        self._logprob = 0.0
        """Its mean log-probability."""

    def push(self, pcm: Pcm) -> Heard:
        """See `EncoderStream`. Runs one pass if a hop has arrived since the last one."""
        while len(pcm):
            room = (WINDOW_FRAMES - len(self._mel)) * HOP
            self._mel.push(pcm[:room])
            self._unseen += len(pcm[:room])
            self._settled = False
            pcm = pcm[room:]
            if len(self._mel) >= WINDOW_FRAMES:
                self._close_anywhere(self._look(last=True))
        # A pass costs in proportion to the window, and its hop grows with it.
        if self._unseen >= max(self._whisper.hop_samples, len(self._mel) * HOP // 16):
            encoding = self._look()
            if len(self._mel) >= SENTENCE_FRAMES:
                self._close_early(encoding)
        committed = flat(self._agreement.committed)
        text = self._whisper.vocabulary.text
        return Heard(self._past + text(committed), text(flat(self._latest)[len(committed) :]))

    def finish(self) -> Heard:
        """See `EncoderStream`. Runs a last pass, and an expensive one only where the guards doubt the first."""
        if not self._settled:
            self._look(last=True)
        return Heard(self._past + self._text(self._latest), unclear=self._unclear)

    def glance(self) -> Glance:
        hypothesis = self._decode(self._whisper.encode(self._mel.unscaled()))
        if looping(hypothesis):
            hypothesis = self._once(hypothesis) or hypothesis
        doubted = silent(hypothesis) or runaway(hypothesis) or hypothesis.logprob < MIN_LOGPROB
        return Glance(hypothesis.text.strip(), hypothesis.logprob, doubted)

    def _look(self, last: bool = False) -> Encoding:
        self._unseen = 0
        log_mels = self._mel.unscaled()
        encoding = self._whisper.encode(log_mels)
        committed = self._agreement.committed
        if not (self._past or committed):
            self._language = self._whisper.language(encoding)
        first = self._decode(encoding, self._context, guess=flat(self._latest))
        self._unclear = False
        hypothesis: Hypothesis | None = first
        if doubtful(first, self._past) or (last and self._nothing_sure and unsure(first, len(self._mel))):
            hypothesis = self._second_opinion(log_mels, first) if last else None
        if hypothesis:
            self._latest = self._units(hypothesis)
            self._logprob = hypothesis.logprob
            if hypothesis.logprob >= UNSURE_LOGPROB:  # close passes agree on what they invent, too
                self._agreement.update(self._latest)
        elif last:
            self._latest = committed
        self._settled = last or hypothesis is not None
        return encoding

    @property
    def _nothing_sure(self) -> bool:
        """Whether no word of the turn is certain yet."""
        return not self._past and not self._agreement.committed

    def _units(self, hypothesis: Hypothesis) -> tuple[Unit, ...]:
        """The words of `hypothesis`. The committed ones stay as they are; marks may follow the last of them."""
        known = self._agreement.committed[:-1]
        rest = hypothesis.tokens[len(flat(known)) :]
        return (*known, *self._whisper.vocabulary.units(rest, self._language))

    def _decode(
        self,
        encoding: Encoding,
        context: Sequence[int] = (),
        temperature: float = 0.0,
        guess: Sequence[int] = (),
    ) -> Hypothesis:
        return self._whisper.decode(
            encoding,
            self._language,
            SPARE_TOKENS + round(TOKENS_PER_FRAME * len(self._mel)),
            context=context,
            prefix=flat(self._agreement.committed),
            prefix_logprob=self._logprob,
            guess=guess,
            temperature=temperature,
        )

    def _second_opinion(self, log_mels: LogMels, first: Hypothesis) -> Hypothesis | None:
        """Transcribe the window padded to 30 s, without context, at rising temperatures. None: it holds no words."""
        encoding = self._whisper.encode_padded(log_mels)
        for temperature in TEMPERATURES:
            hypothesis = self._decode(encoding, temperature=temperature)
            if silent(hypothesis):
                return None
            if not temperature and self._nothing_sure and unclear(first, hypothesis, len(self._mel)):
                self._unclear = True
                return None
            # A repetition in both encodings was really spoken.
            repeated = plain_words(hypothesis.text) == plain_words(first.text)
            if not doubtful(hypothesis) or (repeated and not runaway(hypothesis)):
                return hypothesis
        return self._once(first)

    def _once(self, hypothesis: Hypothesis) -> Hypothesis | None:
        """The words of a loop without their repetition: real words may have caused the loop."""
        if hypothesis.no_speech > MAX_NO_SPEECH or hypothesis.logprob < MIN_LOGPROB:
            return None
        committed = self._agreement.committed
        units = list(self._units(hypothesis))
        while len(again := said_again([plain(self._text([unit])) for unit in units])) > MAX_REPEATED:
            if again.stop <= len(committed):
                return None
            # A loop that was cut off is followed by its own rest only.
            del units[max(again.start, len(committed)) : None if hypothesis.unfinished else again.stop]
        once = replace(hypothesis, tokens=flat(units), text=self._text(units), unfinished=False)
        return None if doubtful(once) else once

    def _close_early(self, encoding: Encoding) -> None:
        """Close the window at the end of a sentence, or where there was nothing but noise."""
        if not self._latest:
            encoding = self._look(last=True)
            if not self._latest:
                self._close_anywhere(encoding)
            return
        sure = self._latest[: max(len(self._agreement.committed) - 1, 0)]  # the marks after the last one are open
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
        """Commit the words before the cut for good; those after it begin the next window."""
        said, kept = self._latest[: cut.word], self._latest[cut.word :]
        self._past += self._text(said)
        self._context = (*self._context, *flat(said))[-CONTEXT_TOKENS:]
        self._agreement = Agreement(self._whisper.vocabulary.marks, self._agreement.committed[cut.word :], kept)
        self._latest = kept
        self._mel.drop(cut.frame)

    def _text(self, units: Sequence[Unit]) -> str:
        return self._whisper.vocabulary.text(flat(units))
