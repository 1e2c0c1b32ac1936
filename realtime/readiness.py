"""`GET /ready`: whether the server should get new conversations, and what stands against it."""

import asyncio
from collections.abc import Mapping

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse

from realtime.sessions.live_sessions import Service, Sessions

_PROBE_S = 1.0
"""Longest wait for an upstream. A healthy one answers any request within this."""
_KNOWN_S = 2.0
"""Seconds for which a probe counts, so that frequent questions cost the upstreams nothing."""


class Readiness:
    """Answers with status 200, or 503 while the server drains, is full, or cannot reach a server that it needs."""

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions
        self._probing = asyncio.Lock()
        self._probed_at = 0.0
        self._reachable: Mapping[str, bool] = {}

    async def get(self, request: Request) -> JSONResponse:
        reachable = await self._probe()
        sessions, most = len(self._sessions), self._sessions.limits.max_sessions
        reasons = [f"the {role} cannot be reached" for role, answers in reachable.items() if not answers]
        if self._sessions.draining:
            reasons.append("the server is shutting down")
        elif sessions >= most:
            reasons.append("every session is taken")
        elif sessions and (busy := self._sessions.load.overload()) is not None:
            reasons.append(busy)
        offer = self._service.offer()
        state = {
            "ready": not reasons,
            "reasons": reasons,
            "decoder": self._state("decoder", reachable),
            "voice": self._state("voice", reachable) | {"loaded": list(offer.loaded_voices)},
            "recognizer": self._state("encoder", reachable),
            "load": {"sessions": sessions, "max_sessions": most},
        }
        return JSONResponse(state, 503 if reasons else 200)

    def _state(self, role: str, reachable: Mapping[str, bool]) -> dict[str, object]:
        """A model in this process is loaded before the port opens; one on another server may go away."""
        return {"model": self._service.models.get(role, ""), "reachable": reachable.get(role, True)}

    async def _probe(self) -> Mapping[str, bool]:
        """Whether each upstream answers HTTP at all, whatever it answers."""
        async with self._probing:
            now = asyncio.get_running_loop().time()
            if self._service.upstreams and now - self._probed_at >= _KNOWN_S:
                async with httpx.AsyncClient(timeout=_PROBE_S) as client:
                    answers = await asyncio.gather(
                        *(client.get(url) for url in self._service.upstreams.values()), return_exceptions=True
                    )
                self._reachable = {
                    role: not isinstance(answer, BaseException)
                    for role, answer in zip(self._service.upstreams, answers, strict=True)
                }
                self._probed_at = now
        return self._reachable
