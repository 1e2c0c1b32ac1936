"""A program at a terminal, with the sound card of a test."""

import os
import pty
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_PATIENCE_S = 60


class Terminal:
    """Everything that the program has printed, without the codes that move the cursor."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._data = bytearray()
        self._changed = threading.Condition()

    @property
    def text(self) -> str:
        with self._changed:
            return _ESCAPES.sub("", self._data.decode(errors="replace"))

    def read(self) -> None:
        """Read until the program has ended."""
        with suppress(OSError):  # a terminal whose program has ended
            while data := os.read(self._master, 4096):
                with self._changed:
                    self._data += data
                    self._changed.notify_all()

    def until(self, pattern: str) -> None:
        """Wait until this was printed."""
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, self.text), _PATIENCE_S)
            # A live display prints the same lines again and again.
            assert found, "\n".join(dict.fromkeys(self.text.splitlines()))[-6000:]


@contextmanager
def at_a_terminal(command: Sequence[str | Path], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """The program, until the end of the block."""
    master, slave = pty.openpty()
    terminal = Terminal(master)
    reading = threading.Thread(target=terminal.read)
    with subprocess.Popen(command, env=environment, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        reading.start()
        try:
            yield terminal
        finally:
            process.kill()
            process.wait()
            reading.join()
            os.close(master)
