"""Ephemeral keys, which begin with "ek_": what a page or an app holds instead of the server's key."""

import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from realtime.access.api_keys import digest

log = logging.getLogger(__name__)

PREFIX = "ek_"
SHORTEST_S, LONGEST_S, DEFAULT_S = 10, 7200, 600
"""Bounds and default of an ephemeral key's life: those of the OpenAI Realtime API."""
MOST_A_KEY = 1_000
"""Ephemeral keys of one API key that may be valid at once. A security limit: each is held in memory."""

_RANDOM_BYTES = 32


class TooManySecrets(Exception):
    """An API key has `MOST_A_KEY` ephemeral keys that have not expired."""


class SecretsUnavailable(Exception):
    """The place where ephemeral keys are kept gives no answer. The message states why."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """What the server knows about an ephemeral key."""

    sha256: str
    """SHA-256 of the key, in hexadecimal."""
    maker: str
    """Fingerprint of the API key that it was made with; empty on a server that requires no key."""
    expires_at: int
    """Unix time in seconds. It opens no session from then on; those that it opened continue."""
    session: str | None = None
    """Settings with which its sessions begin: a session object, as JSON."""


_SECRET = TypeAdapter(ClientSecret)


class ClientSecrets(Protocol):
    """The valid ephemeral keys."""

    async def create(
        self, maker: str, seconds: int = DEFAULT_S, session: str | None = None
    ) -> tuple[str, ClientSecret]:
        """A new key that lives so long, and what is known about it.

        Raises `TooManySecrets` and `SecretsUnavailable`.
        """
        ...

    async def find(self, offered: str) -> ClientSecret | None:
        """The key whose value is `offered`, unless it has expired. Raises `SecretsUnavailable`."""
        ...


class OwnSecrets:
    """Keeps the ephemeral keys of one server in memory and, if it is given a file, over a restart too."""

    def __init__(self, file: Path | None = None, now: Callable[[], float] = time.time) -> None:
        self._file = file
        self._now = now
        self._secrets: dict[str, ClientSecret] = {}
        if file is not None:
            self._load(file)

    async def create(
        self, maker: str, seconds: int = DEFAULT_S, session: str | None = None
    ) -> tuple[str, ClientSecret]:
        self._forget_expired()
        if sum(secret.maker == maker for secret in self._secrets.values()) >= MOST_A_KEY:
            raise TooManySecrets
        value, secret = new_secret(maker, int(self._now()) + seconds, session)
        self._secrets[secret.sha256] = secret
        self._store(secret)
        return value, secret

    async def find(self, offered: str) -> ClientSecret | None:
        # A lookup by hash takes as long for a value that shares many characters with a key as for any other.
        secret = self._secrets.get(digest(offered)) if offered.startswith(PREFIX) else None
        return secret if secret is not None and self._now() < secret.expires_at else None

    def _forget_expired(self) -> None:
        now = self._now()
        self._secrets = {name: secret for name, secret in self._secrets.items() if now < secret.expires_at}

    def _load(self, file: Path) -> None:
        """Read the file, and write back what is still valid: it is only ever appended to while the server runs."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{file}.lock"):
                file.touch(mode=0o600)
                self._secrets = {secret.sha256: secret for secret in _read(file)}
                self._forget_expired()
                file.write_text("".join(map(_line, self._secrets.values())), encoding="utf-8")
        except OSError as error:
            self._give_up(file, error)

    def _store(self, secret: ClientSecret) -> None:
        if self._file is None:
            return
        try:
            with FileLock(f"{self._file}.lock"), self._file.open("a", encoding="utf-8") as file:
                file.write(_line(secret))
        except OSError as error:
            self._give_up(self._file, error)

    def _give_up(self, file: Path, error: OSError) -> None:
        log.warning("ephemeral keys will not survive a restart: can't write %s: %s", file, error.strerror or error)
        self._file = None


def new_secret(maker: str, expires_at: int, session: str | None) -> tuple[str, ClientSecret]:
    """The value of a new ephemeral key, which nobody can guess, and what is known about it."""
    value = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    return value, ClientSecret(digest(value), maker, expires_at, session)


def _read(file: Path) -> Iterator[ClientSecret]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield read_secret(line)
        except ValidationError:
            log.warning("%s has a line that is no ephemeral key: it was cut off, and that key is lost", file)


def _line(secret: ClientSecret) -> str:
    return write_secret(secret) + "\n"


def write_secret(secret: ClientSecret) -> str:
    """What is known about an ephemeral key, as one line of JSON."""
    return json.dumps(asdict(secret))


def read_secret(line: str | bytes) -> ClientSecret:
    """What `write_secret` wrote. Raises `ValidationError`."""
    return _SECRET.validate_json(line)
