"""All settings, from flags, environment, config.toml and defaults. An invalid one is reported with its origin."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, Self, cast

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from audio.errors import PlainError
from pipeline.profiles import DEFAULT, Choice, ProfileName, choose, is_profile
from pipeline.settings import PipelineSettings, Section
from pipeline.weights.machine import Machine
from pipeline.weights.store import ModelStore
from realtime.spellings import AddressOrEmpty, CollectorUrl, Host, IceUrl, Network, Origin

Layer = Mapping[str, object]
"""Settings from one place: tables of config.toml by name, each a mapping of its keys."""

_PREFIX = "ANTIPHON_"
_CONFIG_VARIABLE = "ANTIPHON_CONFIG"

_THREADED = ("encoder", "decoder", "voice", "workers")
_MOST_THREADS_PER_CORE = 4
"""Threads of one model that a core may have. More than one is slower even on idle cores; the rest is for trials."""

_LISTS = "; in the environment, a list is JSON or its parts separated by commas, and a list of tables is JSON"


class IceServer(Section):
    """A STUN or TURN server, with the fields of a browser's `RTCIceServer`."""

    urls: tuple[IceUrl, ...]
    username: str = ""
    credential: SecretStr = SecretStr("")


class ServerSettings(Section):
    """Settings of access to the server and of its limits."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    api_key: SecretStr = SecretStr("")
    """Empty: no key is required, unless there are keys with names."""
    keys_file: Path | None = None
    """File of the keys with names; None: keys.json in the user's configuration folder."""
    keyless: bool = False
    """Whether a server without a key may listen on other addresses than loopback."""
    certfile: Path | None = None
    """PEM file with the certificate for TLS, and those that it is signed with; None: no TLS."""
    keyfile: Path | None = None
    """PEM file with the certificate's private key."""
    trusted_proxies: tuple[Network, ...] = ()
    """Addresses and networks of reverse proxies whose forwarded headers count."""
    allowed_origins: tuple[Origin, ...] = ()
    """Origins of web pages that may connect, besides the server's own."""
    allowed_hosts: tuple[Host, ...] = ()
    """Names by which clients may reach the server, besides this machine's own; "*": any."""
    max_sessions: int = Field(default=2, ge=1)
    session_minutes: float = Field(default=60, gt=0)
    max_event_mib: float = Field(default=15, gt=0)
    """A security limit: a client can make the server hold this much memory for each session."""
    send_timeout_s: float = Field(default=10, gt=0)
    """A client that takes no data for this long is disconnected."""

    @field_validator("api_key")
    @classmethod
    def _travels(cls, key: SecretStr) -> SecretStr:
        """A page sends its key as the name of a WebSocket subprotocol, which is a token of HTTP (RFC 9110)."""
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]*", key.get_secret_value()):
            raise ValueError(
                "has characters that a page cannot send in a WebSocket subprotocol: use letters, digits and "
                "!#$%&'*+-.^_`|~ only"
            )
        return key

    trust_loopback: bool = True
    """Whether clients on this machine are exempt from the limits per client."""
    requests_per_second: int = Field(default=20, ge=1)
    sessions_per_minute: int = Field(default=60, ge=1)
    sessions_per_client: int = Field(default=0, ge=0)
    """0: half of max_sessions, at least 2."""
    sessions_per_key: int = Field(default=0, ge=0)
    """0: as many as there are."""
    connections_per_client: int = Field(default=64, ge=1)
    max_connections: int = Field(default=0, ge=0)
    """0: as many as the limit on open files has room for."""
    request_timeout_s: float = Field(default=10, gt=0)
    """Longest time that the head of a request, or the form of a call, may take to arrive."""
    events_per_second: float = Field(default=200, gt=0)
    kib_per_second: float = Field(default=2048, gt=0)
    audio_speed: float = Field(default=20, ge=1)
    """Seconds of audio that one session may send in a second, in the long run."""
    answers_per_second: float = Field(default=2, gt=0)
    """Answers, ends of turns and changes of settings that one session may ask for in a second, in the long run."""
    loop_lag_s: float = Field(default=0.2, ge=0)
    """Median lag of the event loop, above which no further session is taken; 0: any."""
    first_packet_s: float = Field(default=5, ge=0)
    """Median time to the first audio of answers, above which no further session is taken; 0: any."""
    idle_minutes: float = Field(default=10, gt=0)
    """A WebSocket on which its client sends nothing for this long is closed."""
    drain_s: float = Field(default=30, ge=0)
    """Longest time that SIGTERM gives turns which are under way."""
    media_address: AddressOrEmpty = ""
    """IP address at which callers reach this machine's UDP ports; empty: at those that the machine knows of itself."""
    resume_s: float = Field(default=60, gt=0)
    """Time for which a client that lost its connection can resume its session."""
    shared_store: SecretStr = SecretStr("")
    """Redis server that replicas share: sessions to be resumed, ephemeral keys, what clients use; empty: none."""
    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers for calls over WebRTC. In the environment: JSON."""

    @field_validator("shared_store")
    @classmethod
    def _is_redis(cls, store: SecretStr) -> SecretStr:
        if store.get_secret_value() and not re.fullmatch(r"(rediss?|unix)://\S+", store.get_secret_value()):
            raise ValueError("should be the URL of a Redis server, as in redis://127.0.0.1:6379/0, or empty")
        return store

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.certfile is None) != (self.keyfile is None):
            raise ValueError("server.certfile and server.keyfile belong together: give both, or neither")
        return self


class LogSettings(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "warning"
    format: Literal["text", "json"] = "text"
    words: bool = False
    """Whether what people and the agent say is logged, at level "info"."""


class MetricsSettings(Section):
    """Where metrics and traces go, besides `/metrics` on the server's own port."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    """Port that serves the metrics without a key; 0: no such port."""
    traces_url: CollectorUrl = ""
    """URL of an OTLP collector that takes traces over HTTP; empty: no traces are made."""


class Settings(PipelineSettings, BaseSettings):
    """All settings. The constructor gives the defaults; `load_settings` reads the other origins."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    profile: ProfileName = DEFAULT
    """The set of settings under those that are given singly; `chosen_profile` says whether this machine holds it."""
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # load_settings merges the origins itself, so that an error can name that of the value.
        return (init_settings,)


class SettingsError(PlainError):
    """Settings that cannot be used. One line for each, with its origin, key, value and what is allowed."""


def load_settings(path: Path | None = None, flags: Layer | None = None) -> Settings:
    """The settings: `flags` over the environment (ANTIPHON_SERVER__PORT=...) over the file over the profile's.

    The profile is itself such a setting, and what it leaves open has its default.

    The file is `path`, else what ANTIPHON_CONFIG names, else ./config.toml if there is one. Raises
    `SettingsError` that lists everything that is wrong.
    """
    file = _File(path or _default_path())
    environment = _environment()
    flags = flags or {}
    given = _merge(_merge(file.layer, environment), flags)
    try:
        settings = Settings(**_merge(_profile_layer(given), given))  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [_explain(details, flags, environment, file) for details in error.errors()]
        raise SettingsError("\n".join(lines)) from None
    cores = Machine.here().cores
    most = _MOST_THREADS_PER_CORE * cores
    lines = [
        f"{_origin((table, 'threads'), flags, environment, file)}: {table}.threads = {threads}: this machine has "
        f"{cores} {'core' if cores == 1 else 'cores'}, and more than {most} threads would only wait for each other"
        for table in _THREADED
        if (threads := getattr(settings, table).threads) > most
    ]
    if lines:
        raise SettingsError("\n".join(lines))
    return settings


def chosen_profile(settings: Settings) -> Choice:
    """The profile that this machine gets where the settings want `settings.profile`."""
    return choose(settings.profile, Machine.here(), ModelStore(settings.models.cache))


def _profile_layer(given: Layer) -> Layer:
    wanted = given.get("profile", DEFAULT)
    if not is_profile(wanted):
        return {}  # reported when the settings are validated
    models = given.get("models")
    cache = models.get("cache") if isinstance(models, Mapping) else None
    machine = Machine.here()
    store = ModelStore(Path(cache) if isinstance(cache, str) else None)
    return choose(cast(ProfileName, wanted), machine, store).profile.settings(machine)


class _File:
    """config.toml, and where in it each setting stands."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.text = ""
        self.layer: Layer = {}
        if path is None:
            return
        try:
            self.text = path.read_text(encoding="utf-8")
            self.layer = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{path} is not valid TOML: {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"can't read the settings file {path}: {error}") from error

    def line(self, keys: tuple[str, ...]) -> int:
        """The line, counted from 1, on which the setting at `keys` begins.

        tomllib reports no positions, but a setting begins after the longest part of the file, from its start, that
        is valid TOML without it.
        """
        lines = self.text.splitlines(keepends=True)
        last_without = 0
        for count in range(1, len(lines)):
            try:
                beginning = tomllib.loads("".join(lines[:count]))
            except tomllib.TOMLDecodeError:
                continue
            if _has(beginning, keys):
                break
            last_without = count
        return last_without + 1


def _default_path() -> Path | None:
    if named := os.environ.get(_CONFIG_VARIABLE):
        return Path(named).expanduser()
    here = Path("config.toml")
    return here if here.is_file() else None


def _environment() -> Layer:
    tables = [name.upper() for name in Settings.model_fields]
    known = [f"{_PREFIX}{'__'.join(keys).upper()}" for keys in _all_keys()]
    unknown = []
    for variable in os.environ:
        table = variable.upper().removeprefix(_PREFIX).split("__")[0]
        if variable.upper().startswith(_PREFIX) and variable != _CONFIG_VARIABLE and table not in tables:
            close = get_close_matches(variable.upper(), known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            unknown.append(
                f"{variable}: no such setting; {hint}A table and its setting are joined by two underscores, as in "
                f"{_PREFIX}SERVER__PORT. There are: {', '.join(tables)}"
            )
    if unknown:
        raise SettingsError("\n".join(unknown))
    return _Variables(Settings)()


class _Variables(EnvSettingsSource):
    """The environment's settings. A list is JSON, or its parts separated by commas."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: object) -> object:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            text = str(value).strip()
            if text.startswith(("[", "{")):
                return text  # broken JSON, which is reported with its variable when the settings are validated
            return [part.strip() for part in text.split(",") if part.strip()]


def _all_keys() -> Iterator[tuple[str, ...]]:
    for table, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            yield from ((table, key) for key in _fields(table))
        else:
            yield (table,)


def _merge(under: Layer, over: Layer) -> dict[str, object]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _explain(error: ErrorDetails, flags: Layer, environment: Layer, file: _File) -> str:
    """One line about an invalid setting: its origin, key and value, and what is allowed."""
    keys = tuple(str(part) for part in error["loc"][:2])
    where = _origin(keys, flags, environment, file)
    inner = tuple(part for part in error["loc"][2:] if isinstance(part, str))
    what = f"{where}: {'.'.join(keys + inner)}"
    if error["type"] == "extra_forbidden":
        names = list(IceServer.model_fields) if inner else _siblings(keys)
        return f"{what}: no such setting; {_instead((keys + inner)[-1], names)}"
    if error["type"] == "missing":
        return f"{what} is missing"
    if error["type"] == "value_error" and isinstance(error["input"], dict):  # a whole table, which may hold secrets
        return f"{where}: {error['ctx']['error']}"
    value = "(secret)" if _is_secret(keys) or "credential" in inner else repr(error["input"])
    is_list = error["type"] == "tuple_type" or len(error["loc"]) > 2
    hint = _LISTS if where.startswith("environment") and is_list else ""
    if error["type"] == "model_type":
        fields = IceServer.model_fields if is_list else _fields(keys[0])
        return f"{what} = {value}: should be a table with {', '.join(fields)}{hint}"
    return f"{what} = {value}: {error['msg'].removeprefix('Input ').removeprefix('Value error, ')}{hint}"


def _origin(keys: tuple[str, ...], flags: Layer, environment: Layer, file: _File) -> str:
    """The place that gives the setting at `keys` its value."""
    if _has(flags, keys):
        return "command line"
    if _has(environment, keys):
        return "environment: " + _PREFIX + "__".join(keys).upper()
    return f"{file.path}:{file.line(keys)}"


def _instead(key: str, names: list[str]) -> str:
    close = get_close_matches(key, names, n=1)
    return (f"did you mean {close[0]}? " if close else "") + f"There are: {', '.join(names)}"


def _siblings(keys: tuple[str, ...]) -> list[str]:
    return list(Settings.model_fields) if len(keys) == 1 else list(_fields(keys[0]))


def _fields(table: str) -> Mapping[str, FieldInfo]:
    section: Section = getattr(Settings(), table)
    return type(section).model_fields


def _is_secret(keys: tuple[str, ...]) -> bool:
    return len(keys) == 2 and _fields(keys[0])[keys[1]].annotation is SecretStr


def _has(layer: object, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(layer, Mapping) or key not in layer:
            return False
        layer = layer[key]
    return True
