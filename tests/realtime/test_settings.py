import os
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.profiles import PROFILES
from pipeline.weights.machine import Machine
from realtime.settings import Settings, SettingsError, chosen_profile, load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from config.toml and from the variables of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("ANTIPHON_")]:
        monkeypatch.delenv(variable)
    on(monkeypatch, Machine(cores=2, memory=8 * 10**9))


def on(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    """Let the settings be made for a machine of this size."""
    monkeypatch.setattr(Machine, "here", lambda: machine)


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


def uncommented(text: str) -> str:
    """config.toml with the settings that it leaves to the profile or the system."""
    return re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)


def test_config_toml_shows_the_values_of_the_profile() -> None:
    path = written(uncommented((ROOT / "config.toml").read_text()))
    assert (
        load_settings(
            path, {"models": {"cache": None}, "server": {"keys_file": None, "certfile": None, "keyfile": None}}
        )
        == Settings()
    )


def test_config_toml_shows_every_setting() -> None:
    shown = tomllib.loads(uncommented((ROOT / "config.toml").read_text()))
    settings = Settings()
    assert set(shown) == set(Settings.model_fields)
    assert shown.pop("profile") == settings.profile
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


def test_order_of_places_with_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flag over environment over file over profile over default, for the profile and for what it sets."""
    able, tiny = (PROFILES[name].decoder for name in ("able", "tiny"))
    assert load_settings().decoder.model == able
    assert load_settings(written('profile = "tiny"\n')).decoder.model == tiny
    monkeypatch.setenv("ANTIPHON_PROFILE", "able")
    assert load_settings(written('profile = "tiny"\n')).decoder.model == able
    settings = load_settings(written('profile = "able"\n[decoder]\nthreads = 7\n'), {"profile": "tiny"})
    assert (settings.profile, settings.decoder.model, settings.decoder.threads) == ("tiny", tiny, 7)
    assert settings.decoder.temperature == PROFILES["tiny"].temperature
    assert settings.decoder.top_p == Settings().decoder.top_p
    monkeypatch.setenv("ANTIPHON_DECODER__THREADS", "6")
    assert load_settings(Path("settings.toml"), {"profile": "tiny"}).decoder.threads == 6
    assert load_settings(Path("settings.toml"), {"decoder": {"threads": 5}}).decoder.threads == 5


def test_a_machine_that_cannot_hold_the_profile_gets_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, Machine(cores=1, memory=8 * 10**9))
    settings = load_settings()
    assert settings.decoder.model == PROFILES["tiny"].decoder
    assert chosen_profile(settings).reason == "the profile able needs 2 cores (1 here)"
    assert load_settings(flags={"decoder": {"model": "x"}}).decoder.model == "x"


def test_an_unknown_profile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal('profile = "big"\n') == ["settings.toml:1: profile = 'big': should be 'able' or 'tiny'"]


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
            '[server]\nice_servers = ["stun:a"]\n',
            "settings.toml:2: server.ice_servers = 'stun:a': should be a table with urls, ",
        ),
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
            "settings.toml:2: server.allowed_origins = 'https://with.path/': should be an origin as browsers send it",
        ),
        (
            "[server]\nallowed_origins = ['localhost']\n",
            "settings.toml:2: server.allowed_origins = 'localhost': should be an origin as browsers send it",
        ),
        (
            "[server]\nallowed_hosts = ['http://talk.example']\n",
            "settings.toml:2: server.allowed_hosts = 'http://talk.example': should be a name or an address without",
        ),
        (
            "[server]\ntrusted_proxies = ['proxy']\n",
            "settings.toml:2: server.trusted_proxies = 'proxy': should be an IP address or a network, as in",
        ),
        (
            "[server]\nmedia_address = 'here'\n",
            "settings.toml:2: server.media_address = 'here': should be an IP address, as in 192.0.2.1, or empty",
        ),
        (
            "[metrics]\ntraces_url = 'collector:4318'\n",
            "settings.toml:2: metrics.traces_url = 'collector:4318': should be the URL of a collector",
        ),
        (
            "[turn]\nsilense_s = 1\n",
            "settings.toml:2: turn.silense_s: no such setting; did you mean silence_s? ",
        ),
        ("[tern]\n", "settings.toml:1: tern: no such setting; did you mean turn? There are: models, vad, "),
        ("[server]\nport = \n", "settings.toml is not valid TOML: Invalid value (at line 2"),
        ("[decoder]\napi_key = 3\n", "settings.toml:2: decoder.api_key = (secret): should be a valid string"),
        (
            '[server]\nice_servers = [{ urls = ["http://a.example"] }]\n',
            "settings.toml:2: server.ice_servers.urls = 'http://a.example': should be the URL of a STUN",
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
    with pytest.raises(
        SettingsError, match=r"ANTIPHON_SEVER__PORT: no such setting; did you mean ANTIPHON_SERVER__PORT\?"
    ):
        load_settings()
    monkeypatch.delenv("ANTIPHON_SEVER__PORT")
    monkeypatch.setenv("ANTIPHON_SERVER_PORT", "1")
    with pytest.raises(SettingsError, match=r"did you mean ANTIPHON_SERVER__PORT\? .* joined by two underscores"):
        load_settings()


@pytest.mark.parametrize("value", ["mm-hmm, go on", '["mm-hmm", "go on"]'])
def test_a_list_in_the_environment_is_json_or_has_commas(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ANTIPHON_TURN__BACKCHANNELS", value)
    assert load_settings().turn.backchannels == ("mm-hmm", "go on")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ANTIPHON_TURN__BACKCHANNELS", '["mm-hmm"'),
        ("ANTIPHON_SERVER__ICE_SERVERS", "stun:a.example"),
        ("ANTIPHON_SERVER__ICE_SERVERS__0__URLS", "stun:a.example"),
    ],
)
def test_a_variable_that_is_no_list_is_explained(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    [line] = str(error.value).splitlines()
    assert line.startswith(f"environment: {variable.partition('__0')[0]}: ")
    assert line.endswith("a list of tables is JSON")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[turn]\ncomplete_s = 2\n",
            "settings.toml:1: turn.complete_s = 2.0 is over turn.incomplete_s = 1.6: complete words wait less",
        ),
        ("[turn]\nthreshold = 0.02\n", "settings.toml:1: turn.hysteresis = 0.05 is over turn.threshold = 0.02"),
        ("[turn]\nhold_s = 2\n", "settings.toml:1: turn.hold_s = 2.0 is over turn.interrupt_s = 1.4"),
        ("[decoder]\nmax_tokens = 4096\n", "settings.toml:1: decoder.max_tokens = 4096 leaves no room for a question"),
        (
            "[decoder]\nthreads = 64\n",
            "settings.toml:2: decoder.threads = 64: this machine has 2 cores, and more than 8 threads would only wait",
        ),
    ],
)
def test_settings_that_contradict_each_other_or_the_machine_are_refused(text: str, line: str) -> None:
    [found] = refusal(text)
    assert found.startswith(line)


def test_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"can't read the settings file nowhere\.toml"):
        load_settings(Path("nowhere.toml"))
    monkeypatch.setenv("ANTIPHON_CONFIG", "gone.toml")
    with pytest.raises(SettingsError, match=r"can't read the settings file gone\.toml"):
        load_settings()


@pytest.mark.parametrize("key", ["with space", "base64+/==", "schlüssel", 'quoted"'])
def test_a_key_that_a_page_cannot_send_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(SettingsError, match="WebSocket subprotocol") as refused:
        load_settings(None, {"server": {"api_key": key}})
    assert key not in str(refused.value)


def test_a_key_of_any_length_that_a_page_can_send_is_taken() -> None:
    key = "sk-Antiphon_1234567890.~!#$%&'*+^`|"
    assert load_settings(None, {"server": {"api_key": key}}).server.api_key.get_secret_value() == key
