"""How often a server turned something away, by reason. Pure."""

from collections import Counter
from collections.abc import Mapping


class Refusals:
    """Counts by the protocol's error code. Metrics read them; the codes are few and chosen here, never by a client."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, code: str) -> None:
        self._counts[code] += 1

    def counts(self) -> Mapping[str, int]:
        """How often each code occurred since the server started."""
        return dict(self._counts)
