"""The benchmarks' inputs: recordings with their transcripts, and files of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from audio.errors import PlainError
from audio.pcm import Pcm
from audio.sound_file import read_wav


class BadCorpus(PlainError):
    """An input file cannot be used. The message states which and why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording of one user turn, and where in it the speech is."""

    name: str
    kind: str
    text: str
    pcm: Pcm
    speech_end_s: float
    pauses: tuple[tuple[float, float], ...]
    """Start and end, in seconds, of silences within the turn."""
    speech_start_s: float = 0.0

    @property
    def last_words_s(self) -> float:
        """When the last stretch of speech begins. An answer before that is too early."""
        return self.pauses[-1][1] if self.pauses else 0.0


def read_corpus(folder: Path, kinds: Sequence[str], rate: int) -> list[Recording]:
    """The recordings of these kinds that a manifest.json in `folder` lists, at `rate` Hz. Raises `PlainError`."""
    manifest = read_json(folder / "manifest.json", _Manifest)
    recordings = [
        Recording(
            name=Path(item.file).stem,
            kind=item.kind,
            text=item.text,
            pcm=read_wav(folder / item.file, rate),
            speech_end_s=item.speech_end_s,
            pauses=tuple((pause.start_s, pause.end_s) for pause in item.pauses),
            speech_start_s=item.speech_start_s,
        )
        for item in manifest.items
        if item.kind in kinds
    ]
    if not recordings:
        raise BadCorpus(f"{folder} has no recordings of the kind {' or '.join(kinds)}")
    return recordings


class _Pause(BaseModel):
    start_s: float
    end_s: float


class _Item(BaseModel):
    file: str
    kind: str
    text: str
    speech_start_s: float = 0.0
    speech_end_s: float
    pauses: list[_Pause] = []


class _Manifest(BaseModel):
    items: list[_Item]


M = TypeVar("M", bound=BaseModel)


def read_json(path: Path, shape: type[M]) -> M:
    """The contents of a JSON file. Raises `BadCorpus`."""
    try:
        return shape.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadCorpus(f"{path} can't be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadCorpus(f"{path} can't be used: {place}: {first['msg']}") from error
