"""How many replicas there should be: by conversations and by how soon answers begin, not by HTTP requests."""

import math
from collections.abc import Iterable
from typing import Any, Protocol

CONVERSATIONS = "conversations"
FIRST_PACKET_S = "first_packet_s"
"""Names of the statistics that each replica reports."""


class Context(Protocol):
    """What is used of Serve's `AutoscalingContext`."""

    @property
    def current_num_replicas(self) -> int: ...

    @property
    def aggregated_metrics(self) -> dict[str, dict[Any, float]] | None: ...


class ByConversations:
    """A policy for `autoscaling_config.policy`; Serve applies its bounds and delays to what it returns."""

    def __init__(self, conversations: float, first_packet_s: float) -> None:
        """`conversations`: for which one replica is meant. `first_packet_s`: how late answers may begin, at most."""
        self._conversations = conversations
        self._first_packet_s = first_packet_s

    def __call__(self, context: Context) -> tuple[int, dict[str, Any]]:
        metrics = context.aggregated_metrics or {}
        held = metrics.get(CONVERSATIONS, {}).values()
        slow = metrics.get(FIRST_PACKET_S, {}).values()
        return self.replicas(context.current_num_replicas, held, slow), {}

    def replicas(self, now: int, held: Iterable[float], slow: Iterable[float]) -> int:
        """The number of replicas for those that hold `held` conversations, and whose answers begin after `slow`.

        While any replica is slow there is one more, and never fewer: its machine has less to give than was planned.
        """
        needed = math.ceil(sum(held) / self._conversations)
        late = any(first_packet_s > self._first_packet_s for first_packet_s in slow)
        return max(needed, now + 1) if late else needed
