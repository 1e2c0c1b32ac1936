"""Time that a run may take, over all the calls in which it is taken up again."""

import json
import time
from pathlib import Path


class Budget:
    """Counts seconds of wall time in a file, so that a run that is stopped and taken up again has no more of them."""

    def __init__(self, file: Path, seconds: float) -> None:
        """`seconds`: what all calls together may take."""
        self._file = file
        self._seconds = seconds
        self._before: float = json.loads(file.read_text())["seconds"] if file.exists() else 0.0
        self._began = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds in this call and in those before."""
        return self._before + time.monotonic() - self._began

    def lasts(self) -> bool:
        """Whether there is time left. What is spent is kept each time that this is asked."""
        spent = self.spent
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({"seconds": round(spent, 1)}))
        return spent < self._seconds
