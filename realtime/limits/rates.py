"""Rates of requests, by client: GCRA (the generic cell rate algorithm), in memory or in a Redis that replicas share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

from throttled.asyncio import BaseStore, MemoryStore, RateLimiterType, Throttled, per_min

from realtime.limits.shared_counts import SharedCounts

T = TypeVar("T")

_MOST_CLIENTS = 10_000
"""Clients whose rates are remembered; beyond that the least recent one is forgotten. A few hundred bytes each."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request is within its client's rate, and what is left."""

    allowed: bool
    limit: int
    """Requests that a client may send at once."""
    remaining: int
    """Requests that it may send now."""
    retry_s: float
    """Seconds until the next request is allowed."""
    reset_s: float
    """Seconds until `limit` requests are allowed again."""

    def headers(self) -> dict[str, str]:
        """HTTP headers, of the names that OpenAI's API uses."""
        return {
            "retry-after": str(ceil(self.retry_s)),
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{ceil(self.reset_s)}s",
        }


class Rate:
    """One rate for each of many clients: `burst` requests at once, and so many a minute in the long run."""

    def __init__(self, name: str, a_minute: int, burst: int, shared: SharedCounts | None = None) -> None:
        """`name`: of the rate among others. `shared`: where all replicas count; None: there is only one."""

        def counting_in(store: BaseStore) -> Throttled:
            quota = per_min(a_minute, burst=burst)
            return Throttled(using=RateLimiterType.GCRA.value, quota=quota, store=store, key_prefix=f"antiphon:{name}")

        self._burst = burst
        self._own = counting_in(MemoryStore(options={"MAX_SIZE": _MOST_CLIENTS}))
        self._shared = shared
        self._of_all = None if shared is None else counting_in(shared.rates)

    async def take(self, client: str) -> Verdict:
        """Count one request of `client`, if it is allowed."""
        result = await self._ask(lambda throttled: throttled.limit(client))
        state = result.state
        return Verdict(not result.limited, self._burst, state.remaining, state.retry_after, state.reset_after)

    async def peek(self, client: str) -> Verdict:
        """Whether the next request of `client` would be allowed; nothing is counted."""
        state = await self._ask(lambda throttled: throttled.peek(client))
        return Verdict(state.remaining > 0, self._burst, state.remaining, state.retry_after, state.reset_after)

    async def _ask(self, question: Callable[[Throttled], Awaitable[T]]) -> T:
        """The answer of all replicas' count; while that gives none, of this replica's."""
        of_all = self._of_all
        if self._shared is not None and of_all is not None:
            answer = await self._shared.ask(lambda: question(of_all))
            if answer is not None:
                return answer
        return await question(self._own)
