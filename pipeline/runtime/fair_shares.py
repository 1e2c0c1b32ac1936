"""Whose work can wait: what each conversation has used of the worker threads, or the cores, of late. Pure."""

from math import exp

_ACTIVE_S = 0.5
"""Use from which a conversation counts among those that share. One that is silent has less."""


class FairShares:
    """Use of some threads by accounts, which are any objects. Callers pass the time, in seconds."""

    def __init__(self, threads: int, memory_s: float = 10.0) -> None:
        """`memory_s`: time after which a third of what was used still counts, in seconds."""
        self._memory_s = memory_s
        self._capacity_s = threads * memory_s
        """What all accounts together can have used."""
        self._used: dict[object, tuple[float, float]] = {}
        """By account, the seconds that count, and when that was."""

    def note(self, account: object, seconds: float, now: float) -> None:
        """`account` has used a thread for so long, up to now."""
        self._used = {other: (left, now) for other, left in self._all(now).items() if left > 0.01}
        self._used[account] = (self._used.get(account, (0.0, now))[0] + seconds, now)

    def used(self, account: object, now: float) -> float:
        """The seconds of `account` that count."""
        return self._all(now).get(account, 0.0)

    def beyond(self, shares: float, now: float) -> set[object]:
        """Those that have used more than so many times what each would have if all that are active got the same."""
        used = self._all(now)
        active = sum(seconds > _ACTIVE_S for seconds in used.values())
        most = shares * self._capacity_s / max(1, active)
        return {account for account, seconds in used.items() if active > 1 and seconds > most}

    def _all(self, now: float) -> dict[object, float]:
        return {account: used * exp((at - now) / self._memory_s) for account, (used, at) in self._used.items()}
