"""`antiphon serve --lan`: for phones in the same network, with a certificate, a key and a QR code."""

import secrets
import sys

import segno
from platformdirs import user_state_path
from rich.console import Console
from rich.text import Text

from realtime.access.access import Access
from realtime.access.certificate import lan_addresses, lan_certificate
from realtime.access.client_secrets import LONGEST_S
from realtime.settings import Settings
from realtime.terminal.client import address

_err = Console(stderr=True)


def for_lan(settings: Settings) -> Settings:
    """`settings` with an address that the network reaches, TLS, and a key of this run, unless they have these.

    Browsers allow a microphone only over TLS. A certificate that nobody signed makes them warn once.
    """
    server = settings.server
    changes: dict[str, object] = {}
    if server.certfile is None:
        certificate = lan_certificate(user_state_path("antiphon"), lan_addresses())
        changes |= {"certfile": certificate.certfile, "keyfile": certificate.keyfile}
    if not (server.api_key.get_secret_value() or server.keyless):
        changes["api_key"] = secrets.token_urlsafe(32)
    changed = type(server).model_validate(server.model_dump() | {"host": "0.0.0.0"} | changes)
    return settings.model_copy(update={"server": changed})


async def announce_lan(settings: Settings, access: Access, port: int) -> None:
    """Print the server's addresses, and a QR code with a link that signs a phone in."""
    addresses = [address(str(ip), port, "https") for ip in lan_addresses()]
    if not addresses:
        _err.print(Text("this machine is in no network: no other device reaches it", "yellow"))
        return
    link = f"{addresses[0]}/{await _sign_in(settings, access)}"
    segno.make(link, error="l").terminal(out=sys.stderr, compact=True)
    _err.print(f"Scan it with a phone in the same network, or open {link}", highlight=False, soft_wrap=True)
    for other in addresses[1:]:
        _err.print(f"    or {other}/", highlight=False, soft_wrap=True)
    _err.print(f"The link signs in for {LONGEST_S // 3600} hours. The browser warns once: nobody vouches for the")
    _err.print("certificate but this machine. Choose to continue.")


async def _sign_in(settings: Settings, access: Access) -> str:
    """The fragment of a link, which browsers send to no server."""
    key = access.keys.find(settings.server.api_key.get_secret_value())
    if key is None:
        return ""
    value, _ = await access.secrets.create(key.fingerprint, LONGEST_S)
    return f"#{value}"
