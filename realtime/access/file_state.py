"""Notices that a file was changed, by its operator or by a program that renews it."""

import os
from pathlib import Path


def file_state(file: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file does; None without a file."""
    try:
        status = os.stat(file)  # noqa: PTH116 - for the keys, this runs for every request
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
