"""One utterance in Whisper, recognized while it is spoken: a pass over the open window every quarter of a second."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from audio.pcm import Pcm
from pipeline.encoders.encoder import Glance, Heard
from pipeline.encoders.logmel import HOP, LogMel, LogMels
from pipeline.encoders.whisper.agreement import Agreement, Unit, flat
from pipeline.encoders.whisper.guards import (
    AGREED_LOGPROB,
    MAX_NO_SPEECH,
    MAX_REPEATED,
    MIN_LOGPROB,
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
from pipeline.encoders.whisper.model import Encoding, WhisperModel
from pipeline.encoders.whisper.unheard import may_go_unheard, unheard_from
from pipeline.encoders.whisper.windows import Cut, cut_anywhere, cut_at_sentence

SENTENCE_FRAMES = 800
"""Length from which a window is closed at the end of a sentence, because a pass costs in proportion to it."""
WINDOW_FRAMES = 2000
"""Length at which a window is closed at its best gap."""
CONTEXT_TOKENS = 48
"""Tokens of closed windows that the decoder still sees."""
TOKENS_PER_FRAME = 0.1
"""Nobody speaks more than ten tokens a second: a decoder that writes more is looping."""
SPARE_TOKENS = 16
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Tried in turn on the padded window when the result is doubtful, as Whisper does."""
SENTENCE_MARKS = (".", "?", "!", "。", "？", "！")


class WhisperStream:
    """One utterance in Whisper. Its memory is bounded: the text, and the log-mel of the open window, at most 20 s."""

    waits = False

    def __init__(self, whisper: WhisperModel, hop_samples: int) -> None:
        """`hop_samples`: the audio between two passes."""
        self._whisper = whisper
        self._hop_samples = hop_samples
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
        self._looked = 0
        """Frames of the open window that its last pass saw."""
        self._grown = 0
        """The same of the last pass before the one that wrote the last words of `_latest`."""

    def push(self, pcm: Pcm) -> Heard:
        """See `EncoderStream`. Runs one pass if a hop has arrived since the last one."""
        while len(pcm):
            room = (WINDOW_FRAMES - len(self._mel)) * HOP
            self._mel.push(pcm[:room])
            self._unseen += len(pcm[:room])
            self._settled = False
            pcm = pcm[room:]
            if len(self._mel) >= WINDOW_FRAMES:
                encoding = self._look(last=True)
                if len(self._mel) >= WINDOW_FRAMES:  # it was not closed for words to be heard
                    self._close_anywhere(encoding)
        # A pass costs in proportion to the window, and its hop grows with it.
        if self._unseen >= max(self._hop_samples, len(self._mel) * HOP // 16):
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
            self._note(hypothesis)
            if self._close_deaf(log_mels, encoding, last):
                return self._look(last)
        elif last:
            self._latest = committed
        self._settled = last or hypothesis is not None
        return encoding

    def _note(self, hypothesis: Hypothesis) -> None:
        if plain_words(hypothesis.text) != plain_words(self._text(self._latest)):
            self._grown = self._looked
        self._looked = len(self._mel)
        self._latest = self._units(hypothesis)
        self._logprob = hypothesis.logprob
        if hypothesis.logprob >= AGREED_LOGPROB:
            self._agreement.update(self._latest)

    def _close_deaf(self, log_mels: LogMels, encoding: Encoding, last: bool) -> bool:
        """Close the window after the latest words if that lets further ones be heard."""
        if not self._latest or not may_go_unheard(log_mels, self._grown, last):
            return False
        frame = unheard_from(log_mels, self._starts(encoding)[-1])
        if frame is None:
            return False
        rest = self._whisper.encode(log_mels[:, frame:])
        before = plain_words(self._text(self._latest))
        # After the same words it may be deaf again.
        for context in (self._with_context(flat(self._latest)), ()):
            more = self._whisper.decode(rest, self._language, self._limit, context=context)
            words = plain_words(more.text)
            if words != before[-len(words) :] and not doubtful(more) and more.logprob >= AGREED_LOGPROB:
                self._close(Cut(len(self._latest), frame))
                self._context = context
                return True
        return False

    def _with_context(self, tokens: Sequence[int]) -> tuple[int, ...]:
        return (*self._context, *tokens)[-CONTEXT_TOKENS:]

    @property
    def _limit(self) -> int:
        """Most tokens that can have been said in the open window."""
        return SPARE_TOKENS + round(TOKENS_PER_FRAME * len(self._mel))

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
            self._limit,
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
        self._context = self._with_context(flat(said))
        self._agreement = Agreement(self._whisper.vocabulary.marks, self._agreement.committed[cut.word :], kept)
        self._latest = kept
        self._mel.drop(cut.frame)
        self._looked = max(self._looked - cut.frame, 0)
        self._grown = max(self._grown - cut.frame, 0)

    def _text(self, units: Sequence[Unit]) -> str:
        return self._whisper.vocabulary.text(flat(units))
