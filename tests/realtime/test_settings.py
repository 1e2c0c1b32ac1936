import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr

from realtime.settings import Settings, SettingsError, load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from config.toml and from the variables of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for variable in ("ANTIPHON_CONFIG", "ANTIPHON_SERVER__PORT"):
        monkeypatch.delenv(variable, raising=False)


def written(text: str) -> Path:
    path = Path("settings.toml")
    path.write_text(text)
    return path


def refusal(text: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load_settings(written(text))
    return str(error.value).splitlines()


def test_config_toml_holds_the_defaults() -> None:
    assert load_settings(ROOT / "config.toml") == Settings()


def test_config_toml_shows_every_setting() -> None:
    shown = tomllib.loads((ROOT / "config.toml").read_text().replace("# cache = ", "cache = "))
    settings = Settings()
    assert set(shown) == set(Settings.model_fields)
    for table, keys in shown.items():
        assert set(keys) == set(type(getattr(settings, table)).model_fields), table


def test_without_any_file_there_are_defaults() -> None:
    assert load_settings() == Settings()


def test_config_toml_of_the_current_folder_is_read() -> None:
    Path("config.toml").write_text("[server]\nport = 1234\n")
    assert load_settings().server.port == 1234


def test_order_of_places(monkeypatch: pytest.MonkeyPatch) -> None:
    file = written('[server]\nport = 1\nhost = "::1"\nmax_sessions = 3\n')
    assert load_settings(file).server.port == 1
    monkeypatch.setenv("ANTIPHON_CONFIG", str(file))
    monkeypatch.setenv("ANTIPHON_SERVER__PORT", "2")
    monkeypatch.setenv("ANTIPHON_SERVER__MAX_SESSIONS", "4")
    assert load_settings().server.port == 2
    server = load_settings(flags={"server": {"port": 3}}).server
    assert (server.port, server.max_sessions, server.host) == (3, 4, "::1")


def test_lists_and_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_SERVER__ALLOWED_ORIGINS", "https://a.example, http://b.example:8080")
    monkeypatch.setenv("ANTIPHON_DECODER__API_KEY", "s3cret")
    monkeypatch.setenv("ANTIPHON_SERVER__ICE_SERVERS", '[{"urls": ["turn:a.example"], "credential": "s3cret"}]')
    settings = load_settings()
    assert settings.server.allowed_origins == ("https://a.example", "http://b.example:8080")
    assert settings.decoder.api_key == SecretStr("s3cret")
    [ice] = settings.server.ice_servers
    assert (ice.urls, ice.credential) == (("turn:a.example",), SecretStr("s3cret"))
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "# a comment\n\n[server]\nport = 99999\n",
            "settings.toml:4: server.port = 99999: should be less than or equal to 65535",
        ),
        (
            '[encoder]\ncompute_type = "int4"\n',
            "settings.toml:2: encoder.compute_type = 'int4': should be 'int8' or 'float32'",
        ),
        ("server = 3\n", "settings.toml:1: server = 3: should be a table with host, port, "),
        (
            "server.host = 'x'\nserver.port = 'x'\n",
            "settings.toml:2: server.port = 'x': should be a valid integer",
        ),
        ("server = { host = 'x', port = -1 }\n", "settings.toml:1: server.port = -1: should be greater than"),
        ('["turn"]\n"pause_s" = -1\n', "settings.toml:2: turn.pause_s = -1: should be greater than"),
        (
            '[agent]\ninstructions = """\n[agent]\nmax_items = 0\n"""\n# more\nmax_items = 1',
            "settings.toml:7: agent.max_items = 1: should be greater than or equal to 4",
        ),
        (
            '[server]\nallowed_origins = [\n  "https://ok.example",\n  "https://with.path/",\n]\n',
            "settings.toml:2: server.allowed_origins = 'https://with.path/': String should match",
        ),
        (
            "[turn]\nsilense_s = 1\n",
            "settings.toml:2: turn.silense_s: no such setting; did you mean silence_s? ",
        ),
        ("[tern]\n", "settings.toml:1: tern: no such setting; did you mean turn? There are: models, vad, "),
        ("[server]\nport = \n", "settings.toml is no TOML: Invalid value (at line 2"),
        ("[decoder]\napi_key = 3\n", "settings.toml:2: decoder.api_key = (secret): should be a valid string"),
        (
            '[server]\nice_servers = [{ urls = ["http://a.example"] }]\n',
            "settings.toml:2: server.ice_servers.urls = 'http://a.example': String should match",
        ),
        (
            '[server]\nice_servers = [{ urls = ["stun:a.example"], credential = 3 }]\n',
            "settings.toml:2: server.ice_servers.credential = (secret): should be a valid string",
        ),
        ('[server]\nice_servers = [{ credential = "x" }]\n', "settings.toml:2: server.ice_servers.urls is missing"),
        (
            '[decoder]\nbackend = "openai"\napi_key = "s3cret"\n',
            'settings.toml:1: the backend "openai" needs decoder.url, as in ',
        ),
        (
            '[server]\nice_servers = [{ urls = ["stun:a.example"], user = "x" }]\n',
            "settings.toml:2: server.ice_servers.user: no such setting; did you mean username? There are: urls, ",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: str) -> None:
    [found] = refusal(text)
    assert found.startswith(line)


def test_everything_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_TURN__PAUSE_S", "soon")
    with pytest.raises(SettingsError) as error:
        load_settings(written("[server]\nport = -1\nprot = 1\n"), {"server": {"max_sessions": 0}})
    lines = sorted(str(error.value).splitlines())
    assert [line.split(" ")[:2] for line in lines] == [
        ["command", "line:"],
        ["environment:", "ANTIPHON_TURN__PAUSE_S:"],
        ["settings.toml:2:", "server.port"],
        ["settings.toml:3:", "server.prot:"],
    ]


def test_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_SEVER__PORT", "1")
    with pytest.raises(SettingsError, match="ANTIPHON_SEVER__PORT: no such setting; did you mean SERVER"):
        load_settings()


def test_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"can't read the settings file nowhere\.toml"):
        load_settings(Path("nowhere.toml"))
    monkeypatch.setenv("ANTIPHON_CONFIG", "gone.toml")
    with pytest.raises(SettingsError, match=r"can't read the settings file gone\.toml"):
        load_settings()
