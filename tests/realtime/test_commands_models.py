import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.models import known_models
from realtime.commands_models import models_app


@pytest.fixture
def gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings that need nothing from the network: every model is a file, the cache is empty."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "some.gguf"
    file.touch()
    needed = "".join(f'[{table}]\nmodel = "{file}"\n' for table in ("vad", "encoder", "decoder"))
    cache = f'[models]\ncache = "{tmp_path}"\noffline = true\n'
    Path("config.toml").write_text(f'{needed}[voice]\nname = "{file}"\n{cache}')
    return file


def antiphon_models(*arguments: str) -> Result:
    return CliRunner().invoke(models_app, arguments)


def test_lists_the_table(gguf: Path) -> None:
    shown = antiphon_models()
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in known_models())
    rows = json.loads(antiphon_models("--json").stdout)
    assert {row["name"]: row["state"] for row in rows} == {
        name: "ready" if name == "silero-vad" else "missing" for name in known_models()
    }


def test_pull_takes_what_the_settings_need(gguf: Path) -> None:
    assert antiphon_models("pull").exit_code == 0
    assert antiphon_models("pull", "--verify", "silero-vad").exit_code == 0


def test_pull_goes_on_behind_a_failure_and_tells(gguf: Path) -> None:
    pulled = antiphon_models("pull", "no-such-model", "silero-vad", "whisper-tiny.en")
    assert pulled.exit_code == 1
    assert "✗ there is no model and no file or folder 'no-such-model'" in pulled.stderr
    assert "✓ silero-vad" in pulled.stderr
    assert "offline forbids to fetch it" in pulled.stderr


def test_pull_says_first_what_this_machine_can_not_hold(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.memory.system_memory", lambda: 10**9)
    Path("config.toml").write_text('[decoder]\ndevice = "cpu"\n' + "[models]\noffline = true\ncache = '.'\n")
    told = antiphon_models("pull", "qwen2.5-omni-3b").stderr
    assert told.startswith("! qwen2.5-omni-3b takes 21 GB of memory on the CPU, in float32, and cpu has 1 GB")
    assert "offline forbids to fetch it" in told


def test_verify_reads_what_is_here(gguf: Path) -> None:
    verified = antiphon_models("verify")
    assert verified.exit_code == 0
    assert "✓ silero-vad" in verified.stdout
    assert antiphon_models("verify", "whisper-tiny.en").exit_code == 1


def test_wrong_settings_are_refused(gguf: Path) -> None:
    Path("config.toml").write_text("[server]\nprot = 1\n")
    refused = antiphon_models("pull")
    assert refused.exit_code == 2
    assert "config.toml:2: server.prot: no such setting" in refused.stderr
