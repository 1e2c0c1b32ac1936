"""Large models, downloaded whole from a Hugging Face repository at one commit, with the hub's own list of files."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.weights.sources import HubSource, ModelFile, Progress, SourceError

_WANTED = (".safetensors", ".json", ".jinja", ".txt", ".model")


@dataclass(frozen=True, slots=True)
class SnapshotSource:
    """The weights, tokenizer and configuration in a repository. HF_ENDPOINT and HF_TOKEN are honoured."""

    kind: Literal["snapshot"]
    repository: str
    bytes: int
    """Approximate size of the download."""
    revision: str = ""
    """Commit; "" if none could be pinned, and the user has to name one."""

    resumes: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"hub {self.repository}@{self.revision[:8]}"

    def space(self, size: int) -> int:
        return size

    def files(self) -> tuple[ModelFile, ...]:
        """The repository's files at that commit; small ones without their SHA-256. Raises `SourceError`."""
        from huggingface_hub import HfApi

        try:
            found = HfApi().model_info(self.repository, revision=self.revision, files_metadata=True).siblings or []
        except Exception as error:  # its HTTP client's, which changes with the version
            raise SourceError(" ".join(str(error).split())) from error
        return tuple(
            ModelFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else "")
            for file in found
            if "/" not in file.rfilename and file.rfilename.endswith(_WANTED)
        )

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        """Download `files` into the folder `into`. Raises `SourceError`."""
        HubSource("hub", self.repository, self.revision, "").fetch(files, into, progress)


def read_list(path: Path) -> tuple[ModelFile, ...]:
    """The files of a downloaded snapshot, from the list that `write_list` left; empty if there is no list."""
    try:
        return tuple(ModelFile(**file) for file in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return ()


def write_list(path: Path, files: Sequence[ModelFile]) -> None:
    """Keep the list of files of a downloaded snapshot."""
    path.write_text(json.dumps([asdict(file) for file in files]), encoding="utf-8")
