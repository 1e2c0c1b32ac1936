"""Access control: API keys, and protection of a local server against web pages that its user visits."""

import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from realtime.access.access import Access, Caller
from realtime.access.client_secrets import SecretsUnavailable

_KEY_PROTOCOL = "openai-insecure-api-key."
"""Browsers cannot set headers on a WebSocket, so the official clients offer the key as a subprotocol."""

log = logging.getLogger(__name__)

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Reason to turn a request away: an HTTP status and the protocol's error."""

    status: int
    code: str
    message: str

    def as_json(self) -> dict[str, dict[str, str]]:
        return {"error": {"type": "invalid_request_error", "code": self.code, "message": self.message}}


NO_SECRETS = Refusal(503, "keys_unavailable", "Ephemeral keys can't be made or checked now. Try again later.")
"""Answers where the place of ephemeral keys does not: an API key opens the server all the same."""


@dataclass(frozen=True)
class Guard:
    """Checks requests by their headers, whose names must be in lower case. Each check returns None for a pass."""

    host: str
    """The address that the server is bound to."""
    access: Access = field(default_factory=Access)
    """The keys that are accepted. Without any, none is required."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins, such as "https://app.example", that may use the server in addition to its own."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which clients may reach the server, in addition to those of this machine and the origins; "*": any."""

    def check_host(self, headers: Mapping[str, str]) -> Refusal | None:
        """Refuse DNS rebinding: a page whose name resolves to this server passes origin checks, but Host has its name.

        An address is no name that somebody else could rebind. On loopback only addresses of loopback are expected.
        """
        name = _hostname(headers.get("host", ""))
        if is_loopback(name) or name in {urlsplit(origin).hostname for origin in self.allowed_origins}:
            return None
        if "*" in self.allowed_hosts or name in map(str.lower, self.allowed_hosts):
            return None
        if not is_loopback(self.host) and (_is_address(name) or name in _own_names()):
            return None
        message = f"The host '{name[:80]}' is not one of this server's names; server.allowed_hosts lists them."
        return Refusal(403, "host_not_allowed", message)

    def check_origin(self, headers: Mapping[str, str]) -> Refusal | None:
        """Refuse other sites' pages. A request without an Origin header does not come from a page."""
        origin = headers.get("origin")
        if origin is None or origin in self.allowed_origins or _same_place(origin, headers.get("host", "")):
            return None
        message = f"The origin '{origin[:80]}' is not allowed; server.allowed_origins lists those that are."
        return Refusal(403, "origin_not_allowed", message)

    async def identify(self, headers: Mapping[str, str], subprotocols: Sequence[str] = ()) -> Caller | Refusal:
        """The caller, by the key in a bearer token or a WebSocket subprotocol; refuses a wrong or missing one."""
        offered = [
            protocol.removeprefix(_KEY_PROTOCOL) for protocol in subprotocols if protocol.startswith(_KEY_PROTOCOL)
        ]
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            offered.append(token.strip())
        try:
            caller = await self.access.caller(offered)
        except SecretsUnavailable as error:
            log.error("an ephemeral key cannot be checked: %s", error)
            return NO_SECRETS
        if caller is not None:
            return caller
        message = "Incorrect API key provided." if offered else "You didn't provide an API key."
        return Refusal(401, "invalid_api_key", message)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _own_names() -> tuple[str, ...]:
    """Names of this machine in its local network, the second by multicast DNS."""
    name = socket.gethostname().lower()
    return name, f"{name.split('.')[0]}.local"


def _same_place(origin: str, host: str) -> bool:
    """Whether a page of `origin` came from the server that `host` names. All loopback names are one server."""
    try:
        page = urlsplit(origin)
        server = urlsplit(f"{page.scheme}://{host}")
        page_port = page.port or _DEFAULT_PORTS.get(page.scheme)
        server_port = server.port or _DEFAULT_PORTS.get(page.scheme)
    except ValueError:
        return False
    if not page.hostname or not server.hostname or page_port != server_port:
        return False
    return page.hostname == server.hostname or (is_loopback(page.hostname) and is_loopback(server.hostname))


def is_loopback(name: str) -> bool:
    """Whether a server bound to this name or address can be reached from this machine only."""
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
