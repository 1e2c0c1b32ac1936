"""Who may come in: API keys, and the guard against web pages that reach for the visitor's own machine."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

_KEY_PROTOCOL = "openai-insecure-api-key."
"""Browsers can't set headers on a WebSocket; the official clients offer the key as a subprotocol."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is turned away: an HTTP status and the protocol's error."""

    status: int
    code: str
    message: str

    def as_json(self) -> dict[str, dict[str, str]]:
        return {"error": {"type": "invalid_request_error", "code": self.code, "message": self.message}}


@dataclass(frozen=True)
class Guard:
    """Checks requests by their headers. Header names are lower case."""

    host: str
    """The address that the server is bound to."""
    api_key: str = ""
    """Empty: no key is asked for."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins, such as "https://app.example", that may use the server besides its own."""

    def check_host(self, headers: Mapping[str, str]) -> Refusal | None:
        """A page whose name was rebound to 127.0.0.1 passes every origin check, but names itself in Host."""
        if not is_loopback(self.host):
            return None
        name = _hostname(headers.get("host", ""))
        if is_loopback(name) or name in {urlsplit(origin).hostname for origin in self.allowed_origins}:
            return None
        return Refusal(403, "host_not_allowed", f"The host '{name[:80]}' is not one of this server's names.")

    def check_origin(self, headers: Mapping[str, str]) -> Refusal | None:
        """What is sent with no Origin is no web page."""
        origin = headers.get("origin")
        if origin is None or origin in self.allowed_origins or _same_place(origin, headers.get("host", "")):
            return None
        message = f"The origin '{origin[:80]}' is not allowed; server.allowed_origins lists those that are."
        return Refusal(403, "origin_not_allowed", message)

    def check_key(self, headers: Mapping[str, str], subprotocols: Sequence[str] = ()) -> Refusal | None:
        if not self.api_key:
            return None
        offered = [
            protocol.removeprefix(_KEY_PROTOCOL) for protocol in subprotocols if protocol.startswith(_KEY_PROTOCOL)
        ]
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            offered.append(token.strip())
        if any(_equal(key, self.api_key) for key in offered):
            return None
        message = "Incorrect API key provided." if offered else "You didn't provide an API key."
        return Refusal(401, "invalid_api_key", message)


def _equal(offered: str, key: str) -> bool:
    """In a time that says nothing about where the two differ."""
    return hmac.compare_digest(offered.encode(), key.encode())


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same_place(origin: str, host: str) -> bool:
    """Whether a page of `origin` came from the server that `host` names; this machine's names are one."""
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
    """Whether only this machine reaches what is bound to that name or address."""
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
