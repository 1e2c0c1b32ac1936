"""Every setting, from flags, environment, config.toml and defaults; a wrong one is refused with its place."""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError as VariableError

from pipeline.errors import PlainError
from pipeline.settings import PipelineSettings, Section

Layer = Mapping[str, object]
"""Settings from one place: tables of config.toml by name, each a mapping of its keys."""

_PREFIX = "ANTIPHON_"
_CONFIG_VARIABLE = "ANTIPHON_CONFIG"

Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+$")]
"""A web page's origin, as browsers send it: scheme, host and port, without a path."""


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class IceServer(Section):
    """A STUN or TURN server, as in the list that browsers take."""

    urls: tuple[Annotated[str, StringConstraints(pattern=r"^(stun|turn)s?:[^\s?]+(\?transport=(udp|tcp))?$")], ...]
    username: str = ""
    credential: SecretStr = SecretStr("")


class ServerSettings(Section):
    """Who may connect, and how much they may take."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    api_key: SecretStr = SecretStr("")
    """Empty: no key is asked for."""
    allowed_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split)] = ()
    """Web pages that may connect beside those of this server. In the environment: separated by commas."""
    max_sessions: int = Field(default=10, ge=1)
    session_minutes: float = Field(default=60, gt=0)
    max_event_mib: float = Field(default=15, gt=0)
    """A security limit: a client can make the server hold this much in memory for each of its sessions."""
    send_timeout_s: float = Field(default=10, gt=0)
    """A client that takes nothing for this long is gone."""
    ice_servers: tuple[IceServer, ...] = ()
    """What calls over WebRTC find their way with. In the environment: JSON."""


class Settings(PipelineSettings, BaseSettings):
    """All settings. Made directly it holds the defaults; `load_settings` reads the other places."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    server: ServerSettings = ServerSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # load_settings merges the places itself, so that an error can name the one that a value came from.
        return (init_settings,)


class SettingsError(PlainError):
    """Settings that can't be used; a line for each, with file and line, key, value and what is allowed."""


def load_settings(path: Path | None = None, flags: Layer | None = None) -> Settings:
    """The settings: `flags` over the environment (ANTIPHON_SERVER__PORT=...) over the file over the defaults.

    The file is `path`, else what ANTIPHON_CONFIG names, else ./config.toml if there is one. Raises
    `SettingsError` that lists everything that is wrong.
    """
    file = _File(path or _default_path())
    environment = _environment()
    flags = flags or {}
    try:
        return Settings(**_merge(_merge(file.layer, environment), flags))  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [_explain(details, flags, environment, file) for details in error.errors()]
        raise SettingsError("\n".join(lines)) from None


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
            raise SettingsError(f"{path} is no TOML: {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"can't read the settings file {path}: {error}") from error

    def line(self, keys: tuple[str, ...]) -> int:
        """The line, from 1, on which the setting at `keys` begins.

        tomllib tells no positions. But a setting begins behind the longest beginning of the file that is TOML
        without it.
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
    unknown = []
    for variable in os.environ:
        table = variable.upper().removeprefix(_PREFIX).split("__")[0]
        if variable.upper().startswith(_PREFIX) and variable != _CONFIG_VARIABLE and table not in tables:
            unknown.append(f"{variable}: no such setting; {_instead(table, tables)}")
    if unknown:
        raise SettingsError("\n".join(unknown))
    try:
        return EnvSettingsSource(Settings)()
    except VariableError as error:
        raise SettingsError(f"{error}: name a single setting, as in {_PREFIX}SERVER__PORT=8000") from error


def _merge(under: Layer, over: Layer) -> dict[str, object]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _explain(error: ErrorDetails, flags: Layer, environment: Layer, file: _File) -> str:
    """One line on one wrong setting: where it stands, what it is, and what would be right."""
    keys = tuple(str(part) for part in error["loc"][:2])
    if _has(flags, keys):
        where = "command line"
    elif _has(environment, keys):
        where = "environment: " + _PREFIX + "__".join(keys).upper()
    else:
        where = f"{file.path}:{file.line(keys)}"
    inner = tuple(part for part in error["loc"][2:] if isinstance(part, str))
    what = f"{where}: {'.'.join(keys + inner)}"
    if error["type"] == "extra_forbidden":
        names = list(IceServer.model_fields) if inner else _siblings(keys)
        return f"{what}: no such setting; {_instead((keys + inner)[-1], names)}"
    if error["type"] == "missing":
        return f"{what} is missing"
    if error["type"] == "value_error" and isinstance(error["input"], dict):  # a whole table, with its secrets
        return f"{where}: {error['ctx']['error']}"
    value = "(secret)" if _is_secret(keys) or "credential" in inner else repr(error["input"])
    if error["type"] == "model_type":
        return f"{what} = {value}: should be a table with {', '.join(_fields(keys[0]))}"
    return f"{what} = {value}: {error['msg'].removeprefix('Input ').removeprefix('Value error, ')}"


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
