"""The voices of an agent: the first one, and all others on this machine, which are loaded on demand."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Literal

from audio.errors import PlainError
from pipeline.backends import SYNTHESIZERS, loading
from pipeline.settings import PipelineSettings, VoiceSettings
from pipeline.weights.store import Model, ModelStore
from tts.licences import licence_of
from tts.synthesizer import Clause, Closable, Synthesizer, UnknownVoice, Voice, VoiceInfo, Word

log = logging.getLogger(__name__)

State = Literal["loaded", "on disk", "to be fetched", "package missing", "elsewhere"]
"""`elsewhere`: on a server, or downloaded by its package when it is loaded."""

_HELLO = Clause((Word("Hello", "hello"),), ".")


class VoiceNotAtHand(UnknownVoice):
    """The voice exists but can't be used here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class VoiceGroup:
    """Voices of one engine that are loaded together."""

    engine: str
    voices: tuple[VoiceInfo, ...]
    load: Callable[[], Synthesizer]
    """Loads them: takes seconds, and downloads what is missing."""
    state: Callable[[], State] = lambda: "elsewhere"
    """Their state as long as they are not loaded."""
    remedy: str = ""
    """What the user can do to make them available."""
    bytes: int = 0
    """Size of the weights, if they are in the model table."""

    @property
    def embedded(self) -> bool:
        """Whether the engine needs only this process and its files."""
        return self.engine in ("piper", "kokoro")


@dataclass(frozen=True, slots=True)
class VoiceListing:
    """A voice in a list for users."""

    voice: VoiceInfo
    engine: str
    bytes: int
    """Size of the weights, which it may share with other voices of its engine."""
    state: State


class VoiceCatalogue:
    """Voices of several engines behind the contract of one synthesizer. Its methods may run on any thread."""

    def __init__(self, parts: Sequence[VoiceGroup], loaded: Mapping[int, Synthesizer] = MappingProxyType({})) -> None:
        """`loaded`: engines of parts that are loaded already, by the number of the part.

        The first voice of the first part speaks where no voice is asked for.
        """
        self._parts = tuple(parts)
        self._loaded = dict(loaded)
        self._locks = [Lock() for _ in parts]

    @classmethod
    def of(cls, synthesizer: Synthesizer, engine: str = "piper") -> "VoiceCatalogue":
        """A catalogue of the voices of one loaded synthesizer."""
        return cls([VoiceGroup(engine, tuple(synthesizer.voices), lambda: synthesizer)], {0: synthesizer})

    @property
    def parts(self) -> Sequence[VoiceGroup]:
        """The groups of voices; the first one speaks by default."""
        return self._parts

    @property
    def first(self) -> str:
        """Name of the voice that speaks by default."""
        return self._parts[0].voices[0].name

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        """The voices that can be used, at once or after seconds of loading."""
        return [listed.voice for listed in self.list() if listed.state in ("loaded", "on disk", "elsewhere")]

    def list(self) -> Sequence[VoiceListing]:
        """Every known voice, available or not."""
        return [
            VoiceListing(voice, part.engine, part.bytes, state)
            for number, part in enumerate(self._parts)
            for state in (self._state(number),)
            for voice in part.voices
        ]

    def absent(self) -> dict[str, str]:
        """The remedy for each voice that is not available, by its name."""
        here = {voice.name for voice in self.voices}
        return {voice.name: part.remedy for part in self._parts for voice in part.voices if voice.name not in here}

    def is_loaded(self, voice: str) -> bool:
        """Whether `open` succeeds at once. Raises `UnknownVoice`."""
        return self._find(voice) in self._loaded

    def prepare(self) -> None:
        """Load the first voice and, if it depends on another program, the one that says so when that fails.

        The listener of an answer that breaks off does not wait for a voice to load. Raises what `load` raises.
        """
        self.load(self.first)
        if not self._parts[0].embedded:
            try:
                self.stand_in(self.first)
            except PlainError:
                log.warning("no voice can stand in for %s", self.first, exc_info=True)

    def load(self, voice: str) -> None:
        """Load `voice`. Blocks for seconds; weights are downloaded for the first group only.

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
            # The first clause takes longer than the following ones.
            with loading("voice", voice):
                for _ in synthesizer.open(synthesizer.voices[0].name).speak(_HELLO):
                    pass
            self._loaded[number] = synthesizer

    def open(self, voice: str) -> Voice:
        """A stream of a loaded voice. Raises `UnknownVoice`."""
        number = self._find(voice)
        if number not in self._loaded:
            raise VoiceNotAtHand(f"the voice {voice!r} is not loaded; it is when a session.update asks for it")
        return self._loaded[number].open(voice)

    def stand_in(self, failed: str) -> Voice | None:
        """A voice of an embedded engine instead of one that failed; None if there is no other. Blocks for seconds."""
        for number in sorted(range(len(self._parts)), key=lambda number: number not in self._loaded):
            part, name = self._parts[number], self._parts[number].voices[0].name
            if part.embedded and number != self._find(failed) and self._state(number) in ("loaded", "on disk"):
                self.load(name)
                return self.open(name)
        return None

    def close(self) -> None:
        """Release all loaded engines."""
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


def voices_at_hand(settings: PipelineSettings, store: ModelStore) -> VoiceCatalogue:
    """The voice of the settings, which is the first, and all others of the model table."""
    parts = list(_known(settings, store))
    _check_backend(settings.voice, parts)
    own = [part for part in parts if part.engine == settings.voice.backend and _has(part, settings.voice.name)]
    first = own[0] if own else _part(settings, store, _own_voice(settings), _own_models(settings))
    voices = sorted(first.voices, key=lambda voice: voice.name != settings.voice.name)
    return VoiceCatalogue([replace(first, voices=tuple(voices)), *(part for part in parts if part is not first)])


def _known(settings: PipelineSettings, store: ModelStore) -> Iterator[VoiceGroup]:
    """The groups of voices in the model table."""
    for model_name, model in store.models.items():
        if model.backend:
            infos = tuple(
                VoiceInfo(name, voice.language, model.licence, voice.sex) for name, voice in model.voices.items()
            )
            own = settings.voice.name if settings.voice.name in model.voices else infos[0].name
            asked = settings.voice.model_copy(update={"backend": model.backend, "name": own})
            yield _part(settings.model_copy(update={"voice": asked}), store, infos, (model_name, *model.needs))


def _part(
    settings: PipelineSettings, store: ModelStore, voices: tuple[VoiceInfo, ...], models: tuple[str, ...]
) -> VoiceGroup:
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
    return VoiceGroup(
        settings.voice.backend, voices, load, state, backend.missing or remedy, sum(model.size for model in known)
    )


def _has(part: VoiceGroup, voice: str) -> bool:
    return any(info.name == voice for info in part.voices)


def _check_backend(voice: VoiceSettings, parts: Sequence[VoiceGroup]) -> None:
    """Raises `PlainError` for a voice of the table that is requested from the wrong engine."""
    engines = [part.engine for part in parts if _has(part, voice.name)]
    if voice.backend in ("piper", "kokoro") and engines and voice.backend not in engines:
        raise PlainError(f'the voice {voice.name} belongs to another engine: set voice.backend = "{engines[0]}"')


def _own_voice(settings: PipelineSettings) -> tuple[VoiceInfo, ...]:
    """The voice of the settings, if it is not in the model table."""
    voice = settings.voice
    name = Path(voice.name).stem if voice.backend == "piper" else voice.name
    language = voice.language if voice.backend in ("http", "xtts") else ""
    return (VoiceInfo(name, language, licence_of(voice.backend, voice.model)),)


def _own_models(settings: PipelineSettings) -> tuple[str, ...]:
    return (settings.voice.name,) if settings.voice.backend == "piper" else ()
