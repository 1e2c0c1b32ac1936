"""The model store: from a model's name to the path of its verified local files."""

import hashlib
import json
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from filelock import FileLock
from platformdirs import user_cache_path
from pydantic import TypeAdapter

from audio.errors import PlainError
from pipeline.settings import PipelineSettings, VoiceSettings
from pipeline.weights.snapshots import SnapshotSource, read_list, write_list
from pipeline.weights.sources import InstalledSource, ModelFile, Progress, Source, SourceError, bytes_in
from tts.synthesizer import Sex

AnySource = Source | SnapshotSource

State = Literal["ready", "missing", "damaged"]

STAND_IN = "en_US-joe-medium"
"""The voice that apologizes when a voice on a server has failed."""

_COMMIT = re.compile("[0-9a-f]{40}")
"""A full commit hash: a branch, a tag or an abbreviated hash could come to mean another commit."""


class ModelError(PlainError):
    """A model is not available; the message says what failed and what to do."""


@dataclass(frozen=True, slots=True)
class TableVoice:
    """A voice of models.toml: its language, as a BCP 47 tag, and its sex."""

    language: str
    sex: Sex


@dataclass(frozen=True, slots=True)
class Model:
    """A model of models.toml, which explains the fields."""

    role: str
    about: str
    licence: str
    files: tuple[ModelFile, ...]
    sources: tuple[AnySource, ...]
    entry: str = ""
    parameters: float = 0
    cached_per_token: int = 0
    thoughts: str = ""
    backend: str = ""
    voices: Mapping[str, TableVoice] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    gains_db: Mapping[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes on disk; an estimate for a snapshot that was not downloaded yet."""
        return sum(file.size for file in self.files) or sum(
            source.bytes for source in self.sources if isinstance(source, SnapshotSource)
        )

    @property
    def in_llama(self) -> bool:
        """Whether it is a decoder that llama.cpp runs."""
        return self.entry.endswith(".gguf")

    def cached_bytes(self, tokens: int) -> int:
        """Bytes of a KV cache of so many tokens in llama.cpp, which keeps 16-bit numbers."""
        return 2 * self.cached_per_token * tokens


@cache
def known_models() -> Mapping[str, Model]:
    """The table of models, by name, from models.toml."""
    text = files("pipeline.weights").joinpath("models.toml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, Model]).validate_python(tomllib.loads(text))


def needed_models(settings: PipelineSettings) -> tuple[str, ...]:
    """Names or paths of the models that an agent with these settings loads."""
    decoder = (settings.decoder.model,) if not settings.decoder.remote else ()
    encoder = (settings.encoder.model,) if not settings.encoder.remote else ()
    turn = filter(None, (settings.turn.second_opinion, settings.turn.speaker_encoder))
    return (settings.vad.model, *encoder, *decoder, *_voice_models(settings.voice), *turn)


def _voice_models(voice: VoiceSettings) -> tuple[str, ...]:
    match voice.backend:
        case "piper":
            return (voice.name,)
        case "kokoro":
            return ("kokoro-82m", "kokoro-voices")
        case _:
            return (STAND_IN,)


class ModelStore:
    """Models in a cache folder, downloaded on first use. Safe for several processes at once.

    Instead of a name, the path of a file or folder is accepted everywhere and used as it is. NAME@COMMIT is any commit
    of a snapshot.
    """

    def __init__(
        self, cache: Path | None = None, offline: bool = False, models: Mapping[str, Model] | None = None
    ) -> None:
        """`cache`: None: the user's cache folder. `offline`: never download. `models`: None: models.toml."""
        self.models = known_models() if models is None else models
        self._folder = (cache or user_cache_path("antiphon")).expanduser() / "models"
        self._offline = offline

    def resolve(self, name: str, progress: Progress | None = None) -> Path:
        """The path that a backend loads: the model's entry file, or its folder for backends that take a folder.

        Downloads what is missing or damaged. Files that were verified and have not changed since are not read again.
        Raises `ModelError`.
        """
        if (path := self._given(name)) is not None:
            return path
        model = self._model(name)
        if self._problem(name, model) is not None:
            self._fetch(name, model, progress)
        return self._folder_of(name, model) / model.entry

    def missing_bytes(self, name: str) -> int:
        """Bytes of a model of the table that are still to be fetched, by the sizes of its files; nothing is read.

        0 for a path. Raises `ModelError` for an unknown name.
        """
        if self._given(name) is not None:
            return 0
        model = self._model(name)
        folder = self._folder_of(name, model)
        present = sum(file.size for file in model.files if _size_of(folder / file.name) == file.size)
        return model.size - present

    def free_bytes(self) -> int:
        """Free space on the disk of the cache folder, which need not exist yet."""
        return shutil.disk_usage(next(path for path in self._folder.parents if path.is_dir())).free

    @property
    def folder(self) -> Path:
        """The folder of the weights, which need not exist yet."""
        return self._folder

    def remove(self, name: str) -> int:
        """Delete what was downloaded of a model, begun downloads included. Returns the bytes that this freed.

        Files of an installed package, and a path instead of a name, are left alone. Raises `ModelError` for an unknown
        name, and when the files cannot be deleted.
        """
        if self._given(name) is not None:
            raise ModelError(f"{name} is a file or folder of yours, not a downloaded model: delete it yourself")
        model = self._model(name)
        if not self._folder.is_dir():
            return 0
        folders = [self._folder / name, *(self._work(name, source) for source in model.sources)]
        try:
            with FileLock(self._folder / f"{name}.lock"):
                freed = sum(map(bytes_in, folders))
                for folder in filter(Path.is_dir, folders):
                    shutil.rmtree(folder)
                for file in (self._stamp(name), self._list(name)):
                    file.unlink(missing_ok=True)
            (self._folder / f"{name}.lock").unlink(missing_ok=True)
        except OSError as error:
            raise ModelError(f"can't delete {name} in {self._folder}: {error}") from error
        return freed

    def remove_all(self) -> int:
        """`remove` every model, and the folder if nothing else is in it. Returns the bytes that this freed."""
        if not self._folder.is_dir():
            return 0
        # A commit that a user named has a folder NAME@COMMIT.
        stems = {
            path.name.partition(".verified.json")[0].partition(".files.json")[0] for path in self._folder.iterdir()
        }
        commits = {stem for stem in stems if (at := stem.partition("@"))[0] in self.models and _COMMIT.fullmatch(at[2])}
        freed = sum(self.remove(name) for name in (*self.models, *sorted(commits)))
        if not any(self._folder.iterdir()):
            self._folder.rmdir()
        return freed

    def verify(self, name: str) -> None:
        """Check every byte of a model. Raises `ModelError` if one is wrong; `resolve` then downloads it again."""
        if self._given(name) is not None:
            return
        model = self._model(name)
        self._stamp(name).unlink(missing_ok=True)
        if (problem := self._problem(name, model)) is not None:
            raise ModelError(f"{name}: {problem}; run antiphon models pull {name}")

    def state(self, name: str) -> State:
        """Whether `resolve` would find the model on this machine. Raises `ModelError` for an unknown name."""
        if self._given(name) is not None:
            return "ready"
        model = self._model(name)
        if self._problem(name, model) is None:
            return "ready"
        folder = self._folder_of(name, model)
        return "damaged" if any((folder / file.name).exists() for file in model.files) else "missing"

    def _given(self, name: str) -> Path | None:
        """`name` as a path, if that exists and is not the name of a model."""
        path = Path(name).expanduser()
        return path if name and name not in self.models and path.exists() else None

    def _model(self, name: str) -> Model:
        known, at, revision = name.partition("@")
        model = self.models.get(known)
        if model is not None and isinstance(snapshot := model.sources[0], SnapshotSource):
            if at and not _COMMIT.fullmatch(revision):
                raise ModelError(f"{revision!r} is not a commit: {_advice(known, snapshot)}")
            pinned = replace(snapshot, revision=revision or snapshot.revision)
            return replace(model, sources=(pinned,), files=read_list(self._list(name)))
        if name in self.models:
            return self.models[name]
        close = get_close_matches(name, self.models, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ModelError(f"there is no model and no file or folder {name!r}; {hint}There are: {', '.join(self.models)}")

    def _folder_of(self, name: str, model: Model) -> Path:
        for source in model.sources:
            if isinstance(source, InstalledSource) and (folder := source.locate()) is not None:
                return folder
        return self._folder / name

    def _stamp(self, name: str) -> Path:
        """The file that records the size, modification time and SHA-256 of each verified file."""
        return self._folder / f"{name}.verified.json"

    def _list(self, name: str) -> Path:
        """The file that lists the files of a snapshot, which models.toml does not."""
        return self._folder / f"{name}.files.json"

    def _problem(self, name: str, model: Model) -> str | None:
        """What is wrong with the model's files; None if all are present and verified."""
        if not model.files:
            return f"{self._folder / name} is missing"
        folder, stamp = self._folder_of(name, model), self._stamp(name)
        try:
            verified = json.loads(stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            verified = {}
        seen: dict[str, list[int | str]] = {}
        for file in model.files:
            path = folder / file.name
            if not path.is_file():
                return f"{path} is missing"
            status = path.stat()
            if status.st_size != file.size:
                return f"{path} has {status.st_size:,} bytes instead of {file.size:,}"
            seen[file.name] = [file.size, status.st_mtime_ns, file.sha256]
            if verified.get(file.name) != seen[file.name] and _sha256(path) != file.sha256:
                return f"{path} is not the expected file (its SHA-256 differs)"
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
            # A read-only cache works, too; its files are hashed at each start.
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
                # Another process may have downloaded it while this one waited.
                if self._problem(name, model) is not None:
                    self._fetch_from_any(name, model, progress)
        except OSError as error:
            raise ModelError(f"can't keep {name} in {self._folder}: {error}") from error

    def _fetch_from_any(self, name: str, model: Model, progress: Progress | None) -> None:
        if isinstance(snapshot := model.sources[0], SnapshotSource):
            model = self._listed(name, model, snapshot)
        self._check_space(name, model)
        failures = []
        for source in model.sources:
            try:
                source.fetch(model.files, self._work(name, source), progress)
                self._adopt(name, model, self._work(name, source))
            except SourceError as error:
                failures.append(f"- {source}: {error}")
            else:
                self._clear(name, model.sources)
                return
        raise ModelError(
            f"can't get the model {name} ({_mb(model.size)}):\n"
            + "\n".join(failures)
            + "\nIf this machine has no network, run antiphon models pull on one that has, and copy its "
            + f"{self._folder} here."
        )

    def _work(self, name: str, source: AnySource) -> Path:
        """The folder in which `source` collects a download."""
        return self._folder / f"{name}.{source.kind}"

    def _clear(self, name: str, sources: Sequence[AnySource]) -> None:
        for source in sources:
            shutil.rmtree(self._work(name, source), ignore_errors=True)

    def _check_space(self, name: str, model: Model) -> None:
        """Raises `ModelError` if the disk can't hold the download, after removing what no download can resume."""
        self._clear(name, [source for source in model.sources if not source.resumes])
        kept = sum(bytes_in(self._work(name, source)) for source in model.sources)
        needed = max(source.space(model.size) for source in model.sources) - min(kept, model.size)
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise ModelError(
                f"{name} takes {_mb(needed)} to fetch and {self._folder} has {_mb(free)} left: "
                "make room, or put the folder elsewhere ([models] cache)"
            )

    def _listed(self, name: str, model: Model, snapshot: SnapshotSource) -> Model:
        """The model with the hub's list of its files."""
        if not snapshot.revision:
            raise ModelError(f"no commit of {snapshot.repository} is pinned for {name}: {_advice(name, snapshot)}")
        try:
            return replace(model, files=snapshot.files())
        except SourceError as error:
            raise ModelError(f"can't get the model {name} (about {_mb(model.size)}): {snapshot}: {error}") from error

    def _adopt(self, name: str, model: Model, work: Path) -> None:
        """Move the files from `work` to the model's folder once all are complete and verified."""
        found = [replace(file, sha256=_sha256(work / file.name)) for file in model.files]
        for file, seen in zip(model.files, found, strict=True):
            if file.sha256 not in ("", seen.sha256):
                shutil.rmtree(work)
                raise SourceError(f"{file.name} is not the expected file (its SHA-256 differs)")
        if isinstance(model.sources[0], SnapshotSource):
            write_list(self._list(name), found)
            model = replace(model, files=tuple(found))
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        for file in model.files:
            (work / file.name).replace(folder / file.name)
        shutil.rmtree(work)
        self._problem(name, model)


def _advice(name: str, snapshot: SnapshotSource) -> str:
    history = f"https://huggingface.co/{snapshot.repository}/commits/main"
    return f'choose one at {history}, and say model = "{name}@COMMIT" with all of its 40 digits'


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
