"""The voices of one agent: the one that speaks from the start, and all others at hand, loaded when first asked for."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Literal

from pipeline.errors import PlainError
from pipeline.models import Model, ModelStore
from pipeline.registry import SYNTHESIZERS, loading
from pipeline.settings import PipelineSettings, VoiceSettings
from tts.licences import licence_of
from tts.synthesizer import Clause, Closable, Synthesizer, UnknownVoice, Voice, VoiceInfo, Word

State = Literal["loaded", "on disk", "to be fetched", "package missing", "elsewhere"]
"""`elsewhere`: a server has it, or its package fetches it when it is loaded."""

_HELLO = Clause((Word("Hello", "hello"),), ".")


class VoiceNotAtHand(UnknownVoice):
    """There is such a voice, but it can't speak here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """Voices that are loaded together."""

    engine: str
    voices: tuple[VoiceInfo, ...]
    load: Callable[[], Synthesizer]
    """Takes seconds, and fetches what is missing."""
    state: Callable[[], State] = lambda: "elsewhere"
    """As long as it is not loaded."""
    remedy: str = ""
    """What makes it ready to be loaded."""
    bytes: int = 0
    """Of its weights, where they are files of ours."""

    @property
    def embedded(self) -> bool:
        """Whether it needs nothing but this process and its files."""
        return self.engine in ("piper", "kokoro")


@dataclass(frozen=True, slots=True)
class Listed:
    """A voice, for people who look for one."""

    voice: VoiceInfo
    engine: str
    bytes: int
    """Of the weights, which it may share with others of its engine."""
    state: State


class Choir:
    """Voices of several engines, behind the contract of one. Its methods may run on any thread."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """The first voice of the first part speaks where none is asked for."""
        self._parts = tuple(parts)
        self._loaded: dict[int, Synthesizer] = {}
        self._locks = [Lock() for _ in parts]

    @classmethod
    def of(cls, synthesizer: Synthesizer, engine: str = "piper") -> "Choir":
        """All that is loaded already."""
        choir = cls([Part(engine, tuple(synthesizer.voices), lambda: synthesizer)])
        choir._loaded[0] = synthesizer
        return choir

    @property
    def parts(self) -> Sequence[Part]:
        return self._parts

    @property
    def first(self) -> str:
        return self._parts[0].voices[0].name

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        """Those that speak as soon as they are asked to, or seconds after it."""
        return [listed.voice for listed in self.list() if listed.state in ("loaded", "on disk", "elsewhere")]

    def list(self) -> Sequence[Listed]:
        """Every voice there is, at hand or not."""
        return [
            Listed(voice, part.engine, part.bytes, state)
            for number, part in enumerate(self._parts)
            for state in (self._state(number),)
            for voice in part.voices
        ]

    def absent(self) -> dict[str, str]:
        """What to do for each voice that is not at hand."""
        here = {voice.name for voice in self.voices}
        return {voice.name: part.remedy for part in self._parts for voice in part.voices if voice.name not in here}

    def is_loaded(self, voice: str) -> bool:
        return self._find(voice) in self._loaded

    def load(self, voice: str) -> None:
        """Have `voice` speak as soon as it is asked to. Blocks for seconds, and fetches what is missing of the first.

        Raises `UnknownVoice`, or what its backend raises.
        """
        number = self._find(voice)
        with self._locks[number]:
            if number in self._loaded:
                return
            part = self._parts[number]
            if number and self._state(number) in ("to be fetched", "package missing"):
                raise VoiceNotAtHand(f"the voice {voice!r} is not on this machine: {part.remedy}")
            synthesizer = part.load()
            # The first clause takes longer than all others.
            with loading("voice", voice):
                for _ in synthesizer.open(synthesizer.voices[0].name).speak(_HELLO):
                    pass
            self._loaded[number] = synthesizer

    def open(self, voice: str) -> Voice:
        """One that was loaded. Raises `UnknownVoice`."""
        number = self._find(voice)
        if number not in self._loaded:
            raise VoiceNotAtHand(f"the voice {voice!r} is not loaded; it is when a session.update asks for it")
        return self._loaded[number].open(voice)

    def stand_in(self, failed: str) -> Voice | None:
        """A voice that needs no one else, for one that failed; None: there is none. May block for seconds."""
        for number in sorted(range(len(self._parts)), key=lambda number: number not in self._loaded):
            part, name = self._parts[number], self._parts[number].voices[0].name
            if part.embedded and number != self._find(failed) and self._state(number) in ("loaded", "on disk"):
                self.load(name)
                return self.open(name)
        return None

    def close(self) -> None:
        for synthesizer in self._loaded.values():
            if isinstance(synthesizer, Closable):
                synthesizer.close()
        self._loaded.clear()

    def _find(self, voice: str) -> int:
        for number, part in enumerate(self._parts):
            if any(info.name == voice for info in part.voices):
                return number
        known = ", ".join(info.name for part in self._parts for info in part.voices)
        raise UnknownVoice(f"there is no voice {voice!r}; there are {known}")

    def _state(self, number: int) -> State:
        return "loaded" if number in self._loaded else self._parts[number].state()


def voices_at_hand(settings: PipelineSettings, store: ModelStore) -> Choir:
    """The voice of the settings, which is the first, and every other that a backend has weights for."""
    parts = list(_known(settings, store))
    _check_backend(settings.voice, parts)
    own = [part for part in parts if part.engine == settings.voice.backend and _has(part, settings.voice.name)]
    first = own[0] if own else _part(settings, store, _own_voice(settings), _own_models(settings))
    voices = sorted(first.voices, key=lambda voice: voice.name != settings.voice.name)
    return Choir([replace(first, voices=tuple(voices)), *(part for part in parts if part is not first)])


def _known(settings: PipelineSettings, store: ModelStore) -> Iterator[Part]:
    """What the table of models has voices of."""
    for name, model in store.models.items():
        if model.backend:
            infos = tuple(VoiceInfo(voice, language, model.licence) for voice, language in model.voices.items())
            own = settings.voice.name if settings.voice.name in model.voices else infos[0].name
            asked = settings.voice.model_copy(update={"backend": model.backend, "name": own})
            yield _part(settings.model_copy(update={"voice": asked}), store, infos, (name, *model.needs))


def _part(
    settings: PipelineSettings, store: ModelStore, voices: tuple[VoiceInfo, ...], models: tuple[str, ...]
) -> Part:
    backend = SYNTHESIZERS[settings.voice.backend]

    def load() -> Synthesizer:
        with loading("voice", settings.voice.name):
            return asyncio.run(backend.open(settings, store))

    def state() -> State:
        if backend.missing:
            return "package missing"
        if not models:
            return "elsewhere"
        return "on disk" if all(store.state(name) == "ready" for name in models) else "to be fetched"

    known = [model for name in models if isinstance(model := store.models.get(name), Model)]
    remedy = f"run antiphon models pull {' '.join(models)}"
    return Part(
        settings.voice.backend, voices, load, state, backend.missing or remedy, sum(model.size for model in known)
    )


def _has(part: Part, voice: str) -> bool:
    return any(info.name == voice for info in part.voices)


def _check_backend(voice: VoiceSettings, parts: Sequence[Part]) -> None:
    """Raises `PlainError` for a voice of ours that is looked for in another engine of ours."""
    engines = [part.engine for part in parts if _has(part, voice.name)]
    if voice.backend in ("piper", "kokoro") and engines and voice.backend not in engines:
        raise PlainError(f'the voice {voice.name} is of another engine: set voice.backend = "{engines[0]}"')


def _own_voice(settings: PipelineSettings) -> tuple[VoiceInfo, ...]:
    """Of the settings, where the table of models does not have it."""
    voice = settings.voice
    name = Path(voice.name).stem if voice.backend == "piper" else voice.name
    language = voice.language if voice.backend in ("http", "xtts") else ""
    return (VoiceInfo(name, language, licence_of(voice.backend, voice.model)),)


def _own_models(settings: PipelineSettings) -> tuple[str, ...]:
    return (settings.voice.name,) if settings.voice.backend == "piper" else ()
