"""Texts of the settings that have a form: origins, hosts, addresses, URLs. The error says what one should be."""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator


def _form(pattern: str, remedy: str) -> AfterValidator:
    """Accepts what the pattern matches as a whole; the error is `remedy`."""

    def check(given: str) -> str:
        if not re.fullmatch(pattern, given):
            raise ValueError(remedy)
        return given

    return AfterValidator(check)


def _network(given: str) -> str:
    try:
        return str(ip_network(given, strict=False))
    except ValueError:
        raise ValueError("should be an IP address or a network, as in 127.0.0.1 or 10.0.0.0/8") from None


def _address_or_empty(given: str) -> str:
    try:
        return given and str(ip_address(given))
    except ValueError:
        raise ValueError("should be an IP address, as in 192.0.2.1, or empty") from None


Origin = Annotated[
    str,
    _form(
        r"https?://[^/\s]+",
        "should be an origin as browsers send it: scheme, host and port without a path, as in http://localhost:3000",
    ),
]
"""A web page's origin."""
Host = Annotated[
    str,
    _form(
        r"\*|[A-Za-z0-9._-]+|[0-9A-Fa-f:]+",
        "should be a name or an address without scheme and port, as in talk.example, or * for any",
    ),
]
"""A name of the server as the Host header has it; "*": any."""
Network = Annotated[str, AfterValidator(_network)]
"""An address, or a network as in 10.0.0.0/8."""
AddressOrEmpty = Annotated[str, AfterValidator(_address_or_empty)]
IceUrl = Annotated[
    str,
    _form(
        r"(stun|turn)s?:[^\s?]+(\?transport=(udp|tcp))?",
        "should be the URL of a STUN or TURN server, as in stun:stun.example:3478 or turn:turn.example?transport=tcp",
    ),
]
CollectorUrl = Annotated[
    str,
    _form(
        r"(https?://\S+)?",
        "should be the URL of a collector that takes OTLP over HTTP, as in http://localhost:4318/v1/traces, or empty",
    ),
]
