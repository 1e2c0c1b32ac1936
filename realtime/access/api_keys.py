"""The API keys of a server: one from the settings, and any number with names from a file that holds only hashes."""

import hmac
import json
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

from filelock import FileLock
from platformdirs import user_config_path
from pydantic import TypeAdapter, ValidationError

from audio.errors import PlainError
from realtime.access.file_state import file_state

log = logging.getLogger(__name__)

SETTINGS_KEY = "api_key"
"""Name of the key that the settings give."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PREFIX = "sk-antiphon-"
_RANDOM_BYTES = 32


class KeyProblem(PlainError):
    """The file of keys cannot be used, or does not hold what was asked for."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored. Its random part has 256 bits, which makes a fast hash as hard to revert as a slow one."""

    name: str
    sha256: str
    """SHA-256 of the key, in hexadecimal."""
    created: str = ""
    """Day on which it was made, as YYYY-MM-DD; empty for the key of the settings."""

    @property
    def fingerprint(self) -> str:
        """Identifies the key where not even its hash should be stored."""
        return digest(self.sha256)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def keys_file(configured: Path | None) -> Path:
    """The file of the keys with names: the configured one, else that in the user's configuration folder."""
    return configured.expanduser() if configured is not None else user_config_path("antiphon") / "keys.json"


class KeysFile:
    """Named keys in a JSON file. Several processes may change it; it is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[ApiKey, ...]:
        """The keys; none if there is no file. Raises `KeyProblem` for a file that cannot be read."""
        try:
            return _KEYS.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, ValidationError) as error:
            raise KeyProblem(f"can't read the API keys in {self.path}: {error}; mend it or delete it") from error

    def add(self, name: str, today: str) -> str:
        """Make a key of this name and return it; only its hash is kept. Raises `KeyProblem`."""
        if not _NAME.fullmatch(name) or name == SETTINGS_KEY:
            raise KeyProblem(f"'{name}' can't name a key: use up to 64 letters, digits, dots, hyphens and underscores")
        value = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)

        def added(keys: Sequence[ApiKey]) -> Sequence[ApiKey]:
            if any(key.name == name for key in keys):
                raise KeyProblem(f"there is a key named '{name}' already: remove it first, or choose another name")
            return [*keys, ApiKey(name, digest(value), today)]

        self._change(added)
        return value

    def remove(self, name: str) -> None:
        """Raises `KeyProblem` if there is no key of this name."""

        def removed(keys: Sequence[ApiKey]) -> Sequence[ApiKey]:
            rest = [key for key in keys if key.name != name]
            if len(rest) == len(keys):
                names = ", ".join(key.name for key in keys) or "none"
                raise KeyProblem(f"there is no key named '{name}' in {self.path}; there are: {names}")
            return rest

        self._change(removed)

    def _change(self, change: Callable[[Sequence[ApiKey]], Sequence[ApiKey]]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock"):
                text = json.dumps([asdict(key) for key in change(self.read())], indent=2)
                # Only its owner can read it: NamedTemporaryFile creates files with mode 0600.
                with NamedTemporaryFile("w", dir=self.path.parent, delete=False, encoding="utf-8") as file:
                    file.write(text + "\n")
                Path(file.name).replace(self.path)
        except OSError as error:
            raise KeyProblem(f"can't write the API keys to {self.path}: {error.strerror or error}") from error


_KEYS = TypeAdapter(tuple[ApiKey, ...])


class KeyRing:
    """The keys that open a server. The file is read again whenever it has changed, without a restart.

    A key is required if the settings give one or the file exists, also an empty one: removing the last key must not
    open the server to everyone. For the same reason, once required a key stays so as long as the ring lives.
    """

    def __init__(self, settings_key: str = "", path: Path | None = None) -> None:
        """Raises `KeyProblem` if the file at `path` exists and cannot be read."""
        self._own = (ApiKey(SETTINGS_KEY, digest(settings_key)),) if settings_key else ()
        self._file = KeysFile(path) if path is not None else None
        self._seen = self._state()
        self._named = self._file.read() if self._file is not None else ()
        self._required = bool(self._own) or self._seen is not None

    @property
    def required(self) -> bool:
        self._refresh()
        return self._required

    def find(self, offered: str) -> ApiKey | None:
        """The key whose value is `offered`. Takes as long whichever it is, and whether there is one."""
        self._refresh()
        hashed = digest(offered)
        found = None
        for key in (*self._own, *self._named):
            if hmac.compare_digest(hashed, key.sha256):
                found = key
        return found

    def with_fingerprint(self, fingerprint: str) -> ApiKey | None:
        self._refresh()
        return next((key for key in (*self._own, *self._named) if key.fingerprint == fingerprint), None)

    def _refresh(self) -> None:
        state = self._state()
        if state == self._seen or self._file is None:
            return
        self._seen = state
        self._required = True
        try:
            self._named = self._file.read()
        except KeyProblem as problem:
            self._named = ()  # a key that was removed in this change must not go on opening
            log.error("none of the named API keys is accepted: %s", problem)
        else:
            log.info("read the API keys again: %d", len(self._named))

    def _state(self) -> tuple[int, int, int] | None:
        return file_state(self._file.path) if self._file is not None else None
