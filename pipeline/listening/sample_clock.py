"""The conversation's time."""


class SampleClock:
    """Counts the input samples that were decided on, at 16 kHz. `AudioInput` advances it; everybody else reads it."""

    def __init__(self) -> None:
        self._samples = 0

    def now(self) -> int:
        """The conversation's time in input samples since its start."""
        return self._samples

    def advance(self, samples: int) -> None:
        """Let `samples` more have been decided on."""
        self._samples += samples
