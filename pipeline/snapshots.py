"""Large models, taken whole from a Hugging Face repository at one commit, whose list of files the hub has itself."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pipeline.model_sources import HubSource, ModelFile, Progress, SourceError

_WANTED = (".safetensors", ".json", ".jinja", ".txt", ".model")


@dataclass(frozen=True, slots=True)
class SnapshotSource:
    """The weights and what belongs to them. HF_ENDPOINT and HF_TOKEN are honoured."""

    kind: Literal["snapshot"]
    repository: str
    bytes: int
    """About the size of the download."""
    revision: str = ""
    """Commit; "" where none was found that could be pinned, and the user has to name one."""

    def __str__(self) -> str:
        return f"hub {self.repository}@{self.revision[:8]}"

    def files(self) -> tuple[ModelFile, ...]:
        """What the repository has at that commit; small files without their SHA-256. Raises `SourceError`."""
        from huggingface_hub import HfApi

        try:
            found = HfApi().model_info(self.repository, revision=self.revision, files_metadata=True).siblings or []
        except Exception as error:  # those of its HTTP client, which is another one in each version
            raise SourceError(" ".join(str(error).split())) from error
        return tuple(
            ModelFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else "")
            for file in found
            if "/" not in file.rfilename and file.rfilename.endswith(_WANTED)
        )

    def fetch(self, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        HubSource("hub", self.repository, self.revision, "").fetch(files, into, progress)


def read_list(path: Path) -> tuple[ModelFile, ...]:
    """The files of a snapshot that was fetched; none if it was not."""
    try:
        return tuple(ModelFile(**file) for file in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return ()


def write_list(path: Path, files: Sequence[ModelFile]) -> None:
    path.write_text(json.dumps([asdict(file) for file in files]), encoding="utf-8")
