"""The output of every benchmark: a table for people, JSON for programs, a picture for documents."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from audio.errors import PlainError
from pipeline.backends import MissingPackage, not_installed
from realtime.cli.console import output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GOOD, BAD, PALE, LINE = "#2a6f97", "#c1121f", "#a9d6e5", "#6c757d"
"""Colours of the pictures: measurements, failures, references, marks."""

_NEEDS = ("jiwer", "matplotlib")


class CannotReport(PlainError):
    """The results cannot be written. The message states why."""


class Report(Protocol):
    """The results of a benchmark."""

    def as_data(self) -> Mapping[str, object]:
        """All results, for JSON."""
        ...

    def as_table(self) -> RenderableType: ...

    def draw(self, figure: "Figure") -> None: ...


class Output:
    """Where a report goes. The constructor raises errors that would otherwise appear after minutes of measuring."""

    def __init__(self, as_json: bool, out: Path | None, picture: Path | None) -> None:
        """`as_json`: JSON on standard output instead of the table; `out`, `picture`: files to write as well."""
        missing = [module for module in _NEEDS if find_spec(module) is None]
        if missing:
            raise MissingPackage(not_installed(", ".join(missing), "antiphon[bench]"))
        for file in (out, picture):
            if file is not None and not file.parent.is_dir():
                raise CannotReport(f"{file} can't be written: there is no folder {file.parent}")
        if picture is not None and picture.suffix not in (".png", ".svg"):
            raise CannotReport(f"{picture} can't be drawn: its name must end in .png or .svg")
        self._as_json = as_json
        self._out = out
        self._picture = picture

    def show(self, report: Report) -> None:
        """Print and write the report. Raises `CannotReport` if a file cannot be written."""
        data = json.dumps({"machine": machine(), **report.as_data()}, indent=1, ensure_ascii=False)
        if self._as_json:
            print(data)  # noqa: T201
        else:
            output().print(report.as_table())
        try:
            if self._out is not None:
                self._out.write_text(f"{data}\n", encoding="utf-8")
            if self._picture is not None:
                _draw(report, self._picture)
        except OSError as error:
            raise CannotReport(f"{error.filename} can't be written: {error.strerror}") from error


def machine() -> str:
    """The machine on which the figures were measured."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def percentile(values: Sequence[float], percent: float) -> float | None:
    """A percentile of `values`; None if there are none."""
    return float(np.percentile(values, percent)) if values else None


def number(value: float | None, digits: int = 0) -> str:
    """A value as tables show it; "-" if it was not measured."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def in_a_line(summary: Mapping[str, float | None]) -> RenderableType:
    """All figures with their names, in one line."""
    return Text("   ".join(f"{name} {_rounded(value)}" for name, value in summary.items()), "dim")


def _rounded(value: float | None) -> str:
    """Rounded to three digits, or to an integer."""
    return "-" if value is None else f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _draw(report: Report, file: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    style = matplotlib.rc_context(
        {
            "axes.spines.right": False,
            "axes.spines.top": False,
            "font.size": 9,
            "svg.fonttype": "none",  # text stays text: small files
            "svg.hashsalt": "antiphon",  # the same figures give the same file
        }
    )
    with style:
        figure = Figure(figsize=(8, 4), layout="constrained")
        report.draw(figure)
        figure.savefig(file, dpi=90, metadata={"Date": None} if file.suffix == ".svg" else None)
