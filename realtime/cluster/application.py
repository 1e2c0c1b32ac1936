"""The Ray Serve application: replicas that each hold conversations, behind Serve's own proxies.

A conversation lives on one replica. Serve's proxies, one a machine, take the connections; the router brings a client
that comes back to its replica, and everybody else to one with room. The decoder may be shared: `decoder.url` names a
server such as vLLM or Ray Serve LLM.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig
from starlette.types import ASGIApp

from pipeline.engine import Engine
from pipeline.weights.store import ModelStore
from realtime.cluster.autoscaling import CONVERSATIONS, FIRST_PACKET_S
from realtime.cluster.first_packets import FirstPackets
from realtime.cluster.router import FULL
from realtime.observability.session_log import SessionLog
from realtime.serve import make_app, open_access
from realtime.settings import load_settings
from realtime.shared_redis import connect

_STATS_PERIOD_S = 1.0
"""Interval at which the router is told which replicas have room."""
_MORE_REQUESTS = 16
"""Requests besides conversations that a replica takes at once: pages, offers of calls, /health."""
_ROUTER = "realtime.cluster.router.ConversationRouter"


class Arguments(BaseModel):
    """The arguments of the application, in the Serve config under `args`."""

    model_config = ConfigDict(extra="forbid")

    config: str = "config.toml"
    """Antiphon's settings: a path that every machine has. The environment of a machine overrides it."""
    drain_s: float = Field(default=3600, gt=0)
    """Longest time for which a replica that is to end waits for its conversations to end."""


@serve.deployment(
    name="agents",
    request_router_config=RequestRouterConfig(
        request_router_class=_ROUTER, request_routing_stats_period_s=_STATS_PERIOD_S
    ),
    # One that died is replaced soon; one whose cores are busy answers late, and holds conversations.
    health_check_period_s=2,
    health_check_timeout_s=30,
    graceful_shutdown_wait_loop_s=0.5,
)
@serve.ingress()
class AgentReplica:
    """One process with an engine, and the conversations that live in it."""

    async def __init__(self, config: str) -> None:  # type: ignore[misc]  # Serve awaits it
        settings = load_settings(Path(config) if config else None)
        self._redis = connect(settings.server.shared_store.get_secret_value())
        access = open_access(settings, self._redis)
        self._engine = await Engine.load(settings, ModelStore(settings.models.cache, settings.models.offline))
        self._first_packets = FirstPackets()
        place = serve.get_replica_context().replica_id.unique_id
        observers = (SessionLog(settings.log.words), self._first_packets)
        self._app = make_app(self._engine, settings, access, observers, place, self._redis)
        self._sessions = self._app.state.sessions

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return self._app

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What `autoscaling.ByConversations` decides by."""
        return {CONVERSATIONS: len(self._sessions), FIRST_PACKET_S: self._first_packets.slow_s}

    def record_routing_stats(self) -> dict[str, bool]:
        """What the router knows of this replica."""
        return {FULL: len(self._sessions) >= self._sessions.limits.max_sessions}

    async def __del__(self) -> None:
        """Wait for the calls: Serve itself has waited for the WebSockets, but a call is no request of its."""
        await self._sessions.vacant()
        await self._sessions.close()
        await self._engine.close()
        if self._redis is not None:
            await self._redis.aclose()


def build(arguments: Arguments) -> Application:
    """The application, as `import_path` of a Serve config names it."""
    settings = load_settings(Path(arguments.config) if arguments.config else None)
    deployment = AgentReplica.options(  # type: ignore[attr-defined]  # the decorator makes a deployment of it
        max_ongoing_requests=settings.server.max_sessions + _MORE_REQUESTS,
        graceful_shutdown_timeout_s=arguments.drain_s,
    )
    return deployment.bind(arguments.config)
