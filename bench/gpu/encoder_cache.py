"""Encoding work left at the end of a turn, with incremental encoding and without."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from rich.console import RenderableType
from rich.table import Table

from audio.errors import PlainError
from audio.pcm import INPUT_RATE, Pcm
from bench.gpu.towers import FAMILIES, LAYERS, Size
from bench.report import BAD, GOOD, number
from pipeline.encoders.encoder import Encoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HOP_S = 0.25
"""Interval at which the agent pushes audio to the encoder. The last of it may still wait when the turn ends."""
_STEP_S = 2.37
"""Step between the turn ends that are measured: no multiple of a model's block, so that all phases occur."""
_AT_ONCE_S = (2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0)
_COMPARED_S = 30.0


class UnknownFamily(PlainError):
    """There is no encoder or size with this name."""


class NoGpu(PlainError):
    """PyTorch finds no GPU on this machine."""


@dataclass(frozen=True, slots=True)
class Work:
    """Time after the last sample of a turn, by the length of the turn."""

    turn_s: float
    left_ms: float


@dataclass(frozen=True, slots=True)
class Family:
    """One encoder at one size, with `layers` of the published model's `of_layers` layers."""

    name: str
    size: Size
    layers: int
    of_layers: int
    incremental: list[Work]
    at_once: list[Work]

    def summary(self) -> dict[str, float | None]:
        """Slope of a line through the incremental work, with its standard error."""
        at_once = next((work.left_ms for work in self.at_once if work.turn_s == _COMPARED_S), None)
        left = median(work.left_ms for work in self.incremental)
        slope, error = _slope(self.incremental)
        return {
            "incremental_p50_ms": left,
            "incremental_most_ms": max(work.left_ms for work in self.incremental),
            "slope_ms_per_s": slope,
            "slope_error_ms_per_s": error,
            "at_once_30_s_ms": at_once,
            "less_work_at_30_s": at_once / left if at_once is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Report:
    device: str
    threads: int
    families: list[Family]

    def as_data(self) -> dict[str, object]:
        families = [{**asdict(family), "summary": family.summary()} for family in self.families]
        return {"device": self.device, "threads": self.threads, "families": families}

    def as_table(self) -> RenderableType:
        columns = ("encoder", "layers", "left p50 ms", "most ms", "ms a second", "±", "30 s at once ms", "times less")
        table = Table(*columns, box=None, pad_edge=False)
        for family in self.families:
            found = family.summary()
            cells = (number(value, 2 if name.startswith("slope") else 1) for name, value in found.items())
            table.add_row(f"{family.name} {family.size}", f"{family.layers} of {family.of_layers}", *cells)
        return table

    def draw(self, figure: "Figure") -> None:
        sizes = list(dict.fromkeys(family.size for family in self.families))
        names = list(dict.fromkeys(family.name for family in self.families))
        figure.set_size_inches(2.2 * max(len(names), 2), 2.4 * len(sizes))
        grid = figure.subplots(len(sizes), len(names), squeeze=False, sharex=True, sharey="row")
        for family in self.families:
            axes = grid[sizes.index(family.size), names.index(family.name)]
            axes.plot(*_points(family.at_once), "-", color=BAD, label="the whole turn at once")
            axes.plot(*_points(family.incremental), ".", color=GOOD, label="encoded as it came")
            axes.set_yscale("log")
            axes.set_title(family.name)
        for row, size in zip(grid, sizes, strict=True):
            row[0].set_ylabel(f"{size} layers\nms after the last sample")
        for axes in grid[-1]:
            axes.set_xlabel("turn, s")
        grid[0, 0].legend(fontsize=7)


def measure(
    names: Sequence[str],
    sizes: Sequence[str],
    layers: int,
    longest_s: float,
    threads: int = 1,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Encode turns of up to `longest_s` with `layers` layers of each encoder, or as many as it has.

    On the CPU, processor time is measured instead of wall time, so that other load on the machine matters little.
    Raises `UnknownFamily`, and `NoGpu` for the device "cuda" without a GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise NoGpu("PyTorch finds no GPU on this machine: measure with --device cpu")
    for name, known in [*((name, list(FAMILIES)) for name in names), *((size, list(get_args(Size))) for size in sizes)]:
        if name not in known:
            raise UnknownFamily(f"there is no {name!r}; there are {', '.join(known)}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        families = [_family(name, size, layers, longest_s, device, progress) for size in sizes for name in names]
        return Report(device, threads, families)
    finally:
        torch.set_num_threads(before)


def _family(
    name: str, size: str, layers: int, longest_s: float, device: str, progress: Callable[[str], None]
) -> Family:
    which: Size = "small" if size == "small" else "real"
    progress(f"{name}, {which} layers")
    torch.manual_seed(0)
    used = min(layers, LAYERS[name])
    with torch.device(device):
        encoder = FAMILIES[name](which, used)
    clock = time.process_time if device == "cpu" else _gpu_clock
    pcm = speech_like(longest_s)
    _at_once_ms(encoder, pcm[: _samples(1)], clock)  # the first run is slower
    at_once = [Work(seconds, _at_once_ms(encoder, pcm[: _samples(seconds)], clock)) for seconds in _until(longest_s)]
    return Family(name, which, used, LAYERS[name], _incremental(encoder, pcm, clock), at_once)


def _incremental(encoder: Encoder, pcm: Pcm, clock: Callable[[], float]) -> list[Work]:
    """Work left at each turn end, in one incremental stream that is finished at each and continued."""
    stream = encoder.open()
    hop, found, end = _samples(_HOP_S), list[Work](), _STEP_S
    for at in range(0, len(pcm), hop):
        block = pcm[at : at + hop]
        due = at + len(block) >= _samples(end)
        began = clock()
        stream.push(block)
        if due:
            stream.finish()
            found.append(Work((at + len(block)) / INPUT_RATE, (clock() - began) * 1e3))
            end += _STEP_S
    return found


def _at_once_ms(encoder: Encoder, pcm: Pcm, clock: Callable[[], float]) -> float:
    """Work of a stream that gets the whole turn at its end."""
    stream = encoder.open()
    began = clock()
    stream.push(pcm)
    stream.finish()
    return (clock() - began) * 1e3


def _gpu_clock() -> float:
    """Wall time in seconds, after all work of the GPU is done."""
    torch.cuda.synchronize()
    return time.perf_counter()


def speech_like(seconds: float) -> Pcm:
    """Noise in syllables, the first the loudest: louder sound later would raise the log-mel floor of everything before
    it, which some encoders then have to encode again."""
    at = np.arange(_samples(seconds)) / INPUT_RATE
    noise = np.random.default_rng(0).standard_normal(len(at))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * at), 0, None) * (np.sin(2 * np.pi * 0.23 * at) > -0.8)
    loudness = np.where(at < 0.5, 0.25, 0.05) * syllables + 0.0005
    pcm: Pcm = (noise * loudness).astype(np.float32)
    return pcm


def _slope(works: Sequence[Work]) -> tuple[float | None, float | None]:
    """Milliseconds per second of turn, and the standard error; None if there are too few points."""
    if len(works) < 4:
        return None, None
    line, covariance = np.polyfit(*_points(works), 1, cov=True)
    return float(line[0]), float(covariance[0, 0] ** 0.5)


def _points(works: Sequence[Work]) -> tuple[list[float], list[float]]:
    return [work.turn_s for work in works], [work.left_ms for work in works]


def _until(longest_s: float) -> list[float]:
    return [seconds for seconds in _AT_ONCE_S if seconds <= longest_s]


def _samples(seconds: float) -> int:
    return round(seconds * INPUT_RATE)
