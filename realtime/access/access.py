"""Which callers a server lets in, by the keys that they offer."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from realtime.access.api_keys import KeyRing
from realtime.access.client_secrets import ClientSecret, ClientSecrets, OwnSecrets


@dataclass(frozen=True, slots=True)
class Caller:
    """The origin of a request, as far as its key tells."""

    key: str = ""
    """Name of the API key; empty where none is required."""
    maker: str = ""
    """Fingerprint of that API key, which the ephemeral keys that it makes bear."""
    secret: ClientSecret | None = None
    """The ephemeral key that was offered instead of the API key itself. It opens sessions and nothing else."""


@dataclass(frozen=True, slots=True)
class Access:
    """The keys of one server."""

    keys: KeyRing = field(default_factory=KeyRing)
    secrets: ClientSecrets = field(default_factory=OwnSecrets)

    async def caller(self, offered: Iterable[str]) -> Caller | None:
        """The caller that offers these keys; None if none of them is valid and one is required.

        An ephemeral key dies with the API key that it was made with. Raises `SecretsUnavailable`.
        """
        offered = tuple(offered)
        for value in offered:
            secret = await self.secrets.find(value)
            if secret is None:
                continue
            maker = self.keys.with_fingerprint(secret.maker)
            if maker is not None or not (self.keys.required or secret.maker):
                return Caller(maker.name if maker is not None else "", secret.maker, secret)
        for value in offered:
            if (key := self.keys.find(value)) is not None:
                return Caller(key.name, key.fingerprint)
        return None if self.keys.required else Caller()
