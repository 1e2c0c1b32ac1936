"""Which replica gets a request: the one that has the session, else one with room."""

import pickle
import random
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from realtime.limits.route_path import route_path
from realtime.sessions.places import place_of

FULL = "full"
"""Name of the routing statistic that says whether a replica holds all the conversations that it can."""
_CALLS = "/v1/realtime/calls/"
_ANSWER_S = 3.0
"""Time in which a replica has to answer how many requests it has. Serve's own 0.1 s is for replicas that only wait: one
whose cores compute for its conversations is often later, and would lose the clients that come back to it."""
_OWN_TRIES = 3
"""How often the replica that has the session is asked before another one gets its client."""


class ConversationRouter(RequestRouter):  # type: ignore[misc]  # Ray's types are in another environment
    """Routes clients that come back to the replica that has their session, and the others to one with room.

    Among those with room, Serve takes the one with fewer requests under way, each WebSocket being one, out of two.
    """

    queue_len_response_deadline_s = _ANSWER_S
    max_queue_len_response_deadline_s = _ANSWER_S

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Groups of replicas to be asked, one group after the other."""
        place = "" if pending_request is None else wanted_place(scope_of(pending_request.args))
        return ranked(candidate_replicas, place)


def ranked(replicas: Sequence[RunningReplica], place: str) -> list[list[RunningReplica]]:
    """The replica at `place` if it is there, several times, then two with room, then all."""
    own = [replica for replica in replicas if replica.replica_id.unique_id == place]
    roomy = [replica for replica in replicas if not replica.routing_stats.get(FULL)]
    some = random.sample(roomy, min(2, len(roomy)))
    return [group for group in (*[own] * _OWN_TRIES, some, list(replicas)) if group]


def scope_of(arguments: Sequence[Any]) -> Mapping[str, Any]:
    """The ASGI scope of a request; empty for one that does not come from a proxy."""
    # Serve offers no other way: its own session id comes by a header, which browsers cannot set for a WebSocket. The
    # proxy in this very process has pickled the request.
    request = pickle.loads(arguments[0]) if arguments and isinstance(arguments[0], bytes) else None
    return getattr(request, "_asgi_scope", {})


def wanted_place(scope: Mapping[str, Any]) -> str:
    """The replica that a request names: in the token of the session to resume, or in a call's address; else ""."""
    path = route_path(scope)
    if path.startswith(_CALLS):
        return place_of(path.removeprefix(_CALLS).partition("/")[0])
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    return place_of(query.get("resume", [""])[-1])
