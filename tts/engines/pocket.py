"""Kyutai's Pocket TTS (package pocket-tts): a small language model that generates speech frame by frame on the CPU."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread

import numpy as np
import torch
from pocket_tts import TTSModel

from audio.pcm import Pcm
from tts.engines.chunks import CHUNK_S, WordTimeEstimator, amplified, trimmed
from tts.engines.speech_stream import SpeechStream, Stopped
from tts.licences import POCKET
from tts.synthesizer import Clause, Speech, SpeechFailed, Voice, VoiceInfo, check_known

State = dict[str, dict[str, torch.Tensor]]
"""State of the model after it was conditioned on a voice's recording."""


class PocketSynthesizer:
    """One Pocket TTS model, shared by all conversations, which take turns clause by clause.

    Word times come from `WordTimeEstimator`.
    """

    def __init__(self, model: TTSModel, voices: Sequence[str], language: str = "", gain_db: float = 0.0) -> None:
        """`voices`: names in the package's catalogue, or paths of recordings to imitate. `gain_db`: output gain."""
        self.model = model
        self.language = language
        self._infos = tuple(VoiceInfo(name, language, POCKET) for name in voices)
        self._gain = 10 ** (gain_db / 20)
        self._states: dict[str, State] = {}
        self._busy = Lock()
        """Allows one generation at a time, because the model object holds its state."""

    @classmethod
    def load(cls, model: str, voices: Sequence[str], gain_db: float = 0.0) -> "PocketSynthesizer":
        """Load `model`: a language that the package knows, or a .yaml file. Weights come from the Hugging Face hub."""
        if Path(model).suffix == ".yaml":
            return cls(TTSModel.load_model(config=model), voices, gain_db=gain_db)
        return cls(TTSModel.load_model(language=model), voices, model, gain_db)

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return self._infos

    @property
    def sample_rate(self) -> int:
        return int(self.model.sample_rate)

    def open(self, voice: str) -> Voice:
        check_known(voice, [info.name for info in self._infos])
        return _PocketVoice(self, voice)

    def sound(self, voice: str, text: str, stopped: Stopped) -> Iterator[Pcm]:
        """Generate `text` in `voice` as float32 audio, until `stopped` is done or the iterator is dropped.

        A separate thread drives the model, so that it can run ahead of the consumer and a slow consumer does not block
        other conversations. Once stopped it ends within one frame, 80 ms of audio. Raises `SpeechFailed`.
        """
        stop = Event()
        made: SimpleQueue[Pcm | Exception | None] = SimpleQueue()

        def end(_: Stopped) -> None:
            stop.set()
            made.put(None)

        stopped.add_done_callback(end)
        Thread(target=self._make, args=(voice, text, stop, made), name="pocket-tts", daemon=True).start()
        try:
            while (pcm := made.get()) is not None:
                if isinstance(pcm, Exception):
                    raise SpeechFailed(f"Pocket TTS failed: {type(pcm).__name__}: {pcm}") from pcm
                yield amplified(pcm, self._gain)
        finally:
            stop.set()

    def _make(self, voice: str, text: str, stop: Event, made: SimpleQueue[Pcm | Exception | None]) -> None:
        with self._busy:
            try:
                if not stop.is_set():
                    for chunk in self.model.generate_audio_stream(self._state(voice), text, stop=stop):
                        made.put(chunk.numpy().astype(np.float32))
                made.put(None)
            except Exception as error:
                made.put(error)

    def _state(self, voice: str) -> State:
        if voice not in self._states:
            path = Path(voice)
            recording = path if path.suffix == ".wav" else voice
            self._states[voice] = self.model.get_state_for_audio_prompt(recording, truncate=True)
        return self._states[voice]


class _PocketVoice:
    def __init__(self, synthesizer: PocketSynthesizer, name: str) -> None:
        self._synthesizer = synthesizer
        self._name = name
        self._estimator = WordTimeEstimator(synthesizer.sample_rate)

    @property
    def sample_rate(self) -> int:
        return self._synthesizer.sample_rate

    @property
    def waits(self) -> bool:
        return True

    def speak(self, clause: Clause) -> SpeechStream:
        return SpeechStream(partial(self._speech, clause))

    def _speech(self, clause: Clause, stopped: Stopped) -> Iterator[Speech]:
        text = clause.said_in(self._synthesizer.language)
        parts = trimmed(self._synthesizer.sound(self._name, text, stopped), self.sample_rate)
        yield from self._estimator.speech(parts, clause, round(CHUNK_S * self.sample_rate))
