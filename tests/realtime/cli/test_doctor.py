import json
import socket
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.weights.machine import Machine
from realtime.cli.doctor import Finding, doctor, examine


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of an agent that can run on any machine: its models are files that are there."""
    file = tmp_path / "weights"
    file.touch()
    tables = "".join(f'[{table}]\nmodel = "{file}"\n' for table in ("vad", "encoder", "decoder"))
    path = tmp_path / "settings.toml"
    path.write_text(f'{tables}[voice]\nname = "{file}"\n[server]\nport = 0\n')
    return path


def findings(config: Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(config)}


def test_healthy_machine(config: Path) -> None:
    app = typer.Typer()
    app.command()(doctor)
    run = CliRunner().invoke(app, ["--config", str(config), "--json"])
    report = json.loads(run.stdout)
    assert report["ok"], report
    assert run.exit_code == 0
    assert {"python", "packages", "cpu cores", "memory", "gpu", "settings", "port", "access", "sound"} <= {
        finding["name"] for finding in report["findings"]
    }
    shown = CliRunner().invoke(app, ["--config", str(config)])
    assert "The agent can run." in shown.stdout


@pytest.mark.parametrize(
    ("cores", "mark", "finding"),
    [
        (2, "ok", "able, because it fits (2 cores, 8.0 GB of memory, 1.1 GB of weights to fetch, "),
        (1, "note", "tiny, because the profile able needs 2 cores (1 here): smollm2-135m-instruct, 2 conversations"),
    ],
)
def test_the_profile_that_this_machine_holds_is_named_with_its_reason(
    config: Path, monkeypatch: pytest.MonkeyPatch, cores: int, mark: str, finding: str
) -> None:
    monkeypatch.setattr(Machine, "here", lambda: Machine(cores, 8 * 10**9))
    config.write_text(f'profile = "able"\n[models]\ncache = "{config.parent}"\n')
    monkeypatch.delenv("ANTIPHON_PROFILE")
    found = findings(config)["profile"]
    assert found.mark == mark
    assert found.finding.startswith(finding)


def test_missing_model_fails_and_says_what_to_do(config: Path) -> None:
    config.write_text(f'[models]\ncache = "{config.parent}"\n')
    found = findings(config)["whisper-tiny.en"]
    assert (found.mark, found.remedy) == ("fail", "antiphon models pull whisper-tiny.en")


def test_a_decoder_that_this_machine_can_not_hold_fails(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.weights.memory_fit.system_memory", lambda: 10**9)
    config.write_text('[decoder]\nbackend = "torch"\nmodel = "qwen2.5-omni-3b"\ndevice = "cpu"\n')
    found = findings(config)["decoder"]
    assert found.mark == "fail"
    assert "takes 21 GB of memory on the CPU, in float32, and cpu has 1 GB" in found.finding


def test_wrong_settings_fail(config: Path) -> None:
    config.write_text('[encoder]\nmodel = "no-such-model"\n')
    assert findings(config)["no-such-model"].mark == "fail"
    config.write_text("[server]\nport = -1\n")
    found = findings(config)["settings"]
    assert found.mark == "fail"
    assert "settings.toml:2: server.port = -1" in found.finding


def test_server_that_does_not_answer_fails(config: Path) -> None:
    with config.open("a") as file:
        file.write("[models]\noffline = true\n")
    config.write_text(
        config.read_text().replace("[decoder]\n", '[decoder]\nbackend = "openai"\nurl = "http://127.0.0.1:9/v1"\n')
    )
    found = findings(config)["decoder server"]
    assert (found.mark, found.remedy) == ("fail", "start it, or set [decoder] url")


def test_a_voice_that_is_not_there_fails(config: Path) -> None:
    plain = config.read_text().partition("[voice]")[0]
    config.write_text(f'{plain}[voice]\nbackend = "http"\nurl = "http://127.0.0.1:9/v1"\nname = "alloy"\n')
    found = findings(config)["voice server"]
    assert (found.mark, found.remedy) == ("fail", "start it, or set [voice] url")


def test_a_voice_of_coqui_tts_needs_the_package_and_the_licence(config: Path) -> None:
    """The package is in an environment of its own, and not in the agent's."""
    elsewhere = Path(sys.prefix) / "coqui" / "bin" / "python"
    model = "tts_models/multilingual/multi-dataset/xtts_v2"
    plain = config.read_text().partition("[voice]")[0]

    def complaints(*settings: str) -> list[Finding]:
        lines = ("[voice]", 'backend = "xtts"', f'model = "{model}"', *settings)
        config.write_text(plain + "\n".join(lines))
        return [finding for finding in examine(config) if finding.name == "voice"]

    licence, package = complaints()
    assert "accept_licence = true" in licence.finding
    assert package.finding.endswith("has no coqui-tts")
    assert package.remedy.startswith(f"{sys.executable} -m pip install coqui-tts ")
    [nowhere] = complaints("accept_licence = true", 'python = "/nowhere/python"')
    assert "can't be run" in nowhere.finding
    assert complaints("accept_licence = true", f'python = "{elsewhere}"') == []


def test_port_in_use_is_noted(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace("port = 0", f"port = {port}"))
        found = findings(config)["port"]
    assert found.mark == "note"
    assert f"127.0.0.1:{port}" in found.finding


@pytest.mark.parametrize(
    ("server", "mark"),
    [
        ('host = "127.0.0.1"', "ok"),
        ('host = "0.0.0.0"', "fail"),
        ('host = "0.0.0.0"\nkeyless = true', "note"),
        ('host = "0.0.0.0"\napi_key = "secret"', "ok"),
    ],
)
def test_a_network_without_a_key_is_judged_as_serve_judges_it(config: Path, server: str, mark: str) -> None:
    config.write_text(config.read_text() + server)
    assert findings(config)["access"].mark == mark
