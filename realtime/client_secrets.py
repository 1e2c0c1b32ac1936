"""`POST /v1/realtime/client_secrets`: ephemeral keys for pages and apps that must not hold the server's key."""

import json
import logging
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from realtime.access.access import Access, Caller
from realtime.access.client_secrets import (
    DEFAULT_S,
    LONGEST_S,
    MOST_A_KEY,
    SHORTEST_S,
    SecretsUnavailable,
    TooManySecrets,
)
from realtime.protocol.parsing import Invalid
from realtime.sessions.first_settings import begin_with
from realtime.sessions.guard import NO_SECRETS, Refusal
from realtime.sessions.live_sessions import Sessions

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024
"""Longest request. The settings in it are held in memory until the ephemeral key expires."""


class ExpiresAfter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=DEFAULT_S, ge=SHORTEST_S, le=LONGEST_S)


class CreateRequest(BaseModel):
    """The body that `client.realtime.client_secrets.create` of the official client sends."""

    model_config = ConfigDict(extra="forbid")

    expires_after: ExpiresAfter = ExpiresAfter()
    session: Mapping[str, object] | None = None


class ClientSecretsEndpoint:
    """Makes ephemeral keys for callers that have an API key."""

    def __init__(self, access: Access, sessions: Sessions) -> None:
        self._access = access
        self._sessions = sessions

    async def create(self, request: Request) -> Response:
        """Answer with the key, when it expires, and the settings with which its sessions begin."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return _refusal(413, "request_too_large", f"The body of the request has more than {MOST_BYTES} bytes.")
        try:
            wanted = CreateRequest.model_validate_json(bytes(body) or b"{}")
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, problem["loc"]))
            return _refusal(400, "invalid_value", f"Invalid '{where}': {problem['msg']}." if where else problem["msg"])
        caller: Caller = request.state.caller
        settings = None if wanted.session is None else json.dumps({"type": "realtime", **wanted.session})
        session = (await self._sessions.open({})).session
        try:
            if settings is not None:
                begin_with(session, settings)
            value, secret = await self._access.secrets.create(caller.maker, wanted.expires_after.seconds, settings)
        except Invalid as error:
            return _refusal(400, error.code, error.message)
        except TooManySecrets:
            return _refusal(
                429, "too_many_client_secrets", f"This API key already has {MOST_A_KEY} ephemeral keys that are valid."
            )
        except SecretsUnavailable as error:
            log.error("no ephemeral key was made: %s", error)
            return _refusal(NO_SECRETS.status, NO_SECRETS.code, NO_SECRETS.message)
        described = session.described().model_dump(mode="json", exclude_unset=True)
        return JSONResponse({"value": value, "expires_at": secret.expires_at, "session": described})


def _refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse(Refusal(status, code, message).as_json(), status)
