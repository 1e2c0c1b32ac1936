"""The audio of one turn on its way through the encoders: that of the words, and that of the sound if there is one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np

from audio.pcm import INPUT_RATE, Pcm, silence
from pipeline.encoders.encoder import EncoderStream, Heard, on_thread
from pipeline.listening.prosody import TurnProsody
from pipeline.listening.prosody_stream import ProsodyStream
from pipeline.runtime.workers import Urgency, Workers

log = logging.getLogger(__name__)

_MISSED_SAMPLES = INPUT_RATE // 2
"""Audio after a pause in which a word may have been said."""


class Utterance:
    """The audio of one turn. It is taken in at once and encoded when somebody listens."""

    def __init__(
        self,
        item_id: str,
        words: EncoderStream,
        workers: Workers,
        sound: EncoderStream | None = None,
        manner: TurnProsody | None = None,
        reopen: Callable[[], EncoderStream] | None = None,
    ) -> None:
        """`sound`: for a decoder that hears. `manner`: for a decoder that reads how things are said."""
        self.item_id = item_id
        self.manner = manner
        self._workers = workers
        self._words = _Feed(words if manner is None else ProsodyStream(words, manner), workers)
        self._sound = _Feed(sound, workers) if sound is not None else None
        self._reopen = reopen
        self._finished: str | None = None
        """The words of the last `finish`."""
        self._missed: list[str] = []
        """What was said after them and is not part of them."""
        self._samples = 0
        self._news = 0
        self._captioned = ""

    @property
    def sounding(self) -> bool:
        """Whether the decoder hears it. Once the sound's stream has failed, the decoder reads the words instead."""
        return self._sound is not None

    @property
    def in_words(self) -> bool:
        """Whether its words are all that the decoder reads of it: neither its sound nor how it was said."""
        return self._sound is None and self.manner is None

    @property
    def busy(self) -> bool:
        """Whether a look at its words is being taken."""
        return self._words.busy

    @property
    def unheard_s(self) -> float:
        """Seconds of audio that came in since the last look."""
        return self._news / INPUT_RATE

    @property
    def seconds(self) -> float:
        """Length of the audio so far."""
        return self._samples / INPUT_RATE

    def add(self, pcm: Pcm) -> None:
        for feed in self._feeds():
            feed.add(pcm)
        self._samples += len(pcm)
        self._news += len(pcm)

    def cut(self, samples: int) -> None:
        """Take back the last `samples` samples; they must have come in just now."""
        for feed in self._feeds():
            feed.cut(samples)
        self._samples -= min(samples, self._samples)

    def newly_committed(self, heard: Heard) -> str:
        """Words for the caption that are certain and were not returned before."""
        committed = heard.committed.lstrip()
        if not committed.startswith(self._captioned):
            return ""
        news, self._captioned = committed[len(self._captioned) :], committed
        return news

    def rest_of(self, final: str) -> str:
        """What of the final words is not in the caption yet; nothing if they differ from it."""
        return final[len(self._captioned) :] if final.startswith(self._captioned) else ""

    async def listen(self) -> Heard:
        """Encode what has come in since, and return what is understood so far."""
        self._news = 0
        # Each finishes, whatever becomes of the other.
        sound, heard = await asyncio.gather(self._listen_to_sound(), self._words.listen(), return_exceptions=True)
        for outcome in (sound, heard):
            if isinstance(outcome, BaseException):
                raise outcome
        assert isinstance(heard, Heard)
        assert isinstance(sound, Heard)
        return replace(heard, committed_units=sound.committed_units)

    async def finish(self) -> Heard:
        """Encode all audio and return all words.

        A recognizer may take the full stop before a pause for the end of everything. Where it finds nothing new in the
        audio that came since the last `finish`, that audio is transcribed by itself.
        """
        self._news = 0
        heard, news = await self._words.finish()
        same = same_words(heard.text, self._finished or "")
        missed = self._finished is not None and same and len(news) >= _MISSED_SAMPLES
        if not same:
            self._missed.clear()
        self._finished = heard.text
        if missed and heard.text and self._reopen is not None:
            stream = self._reopen()
            rest = await on_thread(self._workers, Urgency.TAIL, stream, lambda: _transcribed(stream, news))
            self._missed.append(rest)
        if not (missed_text := " ".join(filter(None, self._missed))):
            return heard
        return replace(heard, committed=f"{heard.text} {missed_text}", tentative="")

    async def finish_sound(self) -> Heard:
        """Encode all audio and return its sound, for a decoder that hears."""
        return await self._or_nothing(self._all_sound(self._sound)) if self._sound is not None else Heard()

    async def _listen_to_sound(self) -> Heard:
        return await self._or_nothing(self._sound.listen()) if self._sound is not None else Heard()

    async def _all_sound(self, sound: "_Feed") -> Heard:
        heard, _ = await sound.finish()
        return heard

    async def _or_nothing(self, sound: Awaitable[Heard]) -> Heard:
        try:
            return await sound
        except Exception:
            log.exception("the sound of a turn could not be encoded; the decoder reads its words instead")
            self._sound = None
            return Heard()

    def _feeds(self) -> list["_Feed"]:
        return [self._words] if self._sound is None else [self._sound, self._words]


def same_words(one: str, other: str) -> bool:
    """Whether two looks at an utterance found the same words: they differ in case and punctuation."""
    return _letters(one) == _letters(other)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _transcribed(stream: EncoderStream, pcm: Pcm) -> str:
    stream.push(pcm)
    return stream.finish().text


class _Feed:
    """An encoder stream, and the audio that waits for it; it is heard in order, on a worker thread."""

    def __init__(self, stream: EncoderStream, workers: Workers) -> None:
        self._stream = stream
        self._workers = workers
        self._waiting: list[Pcm] = []
        self._since_finish: list[Pcm] = []
        """What was heard after the last `finish`."""
        self._feeding = asyncio.Lock()

    @property
    def busy(self) -> bool:
        return self._feeding.locked()

    def add(self, pcm: Pcm) -> None:
        self._waiting.append(pcm)

    def cut(self, samples: int) -> None:
        while samples > 0 and self._waiting:
            last = self._waiting.pop()
            kept = last[: max(len(last) - samples, 0)]
            samples -= len(last) - len(kept)
            if len(kept):
                self._waiting.append(kept)

    async def listen(self) -> Heard:
        async with self._feeding:
            pcm = self._take()
            self._since_finish.append(pcm)
            return await on_thread(self._workers, Urgency.LISTEN, self._stream, lambda: self._stream.push(pcm))

    async def finish(self) -> tuple[Heard, Pcm]:
        """All that was understood, and the audio that no `finish` had heard before."""
        async with self._feeding:
            pcm = self._take()
            news, self._since_finish = np.concatenate([*self._since_finish, pcm]), []

            def tail() -> Heard:
                if len(pcm):
                    self._stream.push(pcm)
                return self._stream.finish()

            return await on_thread(self._workers, Urgency.TAIL, self._stream, tail), news

    def _take(self) -> Pcm:
        waiting, self._waiting = self._waiting, []
        return np.concatenate(waiting) if waiting else silence(0)
