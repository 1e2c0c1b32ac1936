"""What the benches are fed with: recordings with their words, and files of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import PlainError
from realtime.wav import read_wav
from tts.synthesizer import Pcm


class BadCorpus(PlainError):
    """A file that a bench reads can't be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One spoken turn, and where its speech lies."""

    name: str
    kind: str
    text: str
    pcm: Pcm
    speech_end_s: float
    pauses: tuple[tuple[float, float], ...]
    """Start and end of the silences in which the turn goes on, in seconds."""
    speech_start_s: float = 0.0

    @property
    def last_words_s(self) -> float:
        """When the last stretch of speech begins: what answers before that, answers too early."""
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
    """Raises `BadCorpus`."""
    try:
        return shape.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadCorpus(f"{path} can't be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadCorpus(f"{path} can't be used: {place}: {first['msg']}") from error
