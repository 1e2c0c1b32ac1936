import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.weights.machine import Machine
from pipeline.weights.store import known_models
from realtime.cli.models import models_app


@pytest.fixture
def gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings that need nothing from the network: every model is a file, the cache is empty."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "some.gguf"
    file.touch()
    needed = "".join(f'[{table}]\nmodel = "{file}"\n' for table in ("vad", "encoder", "decoder"))
    cache = f'[models]\ncache = "{tmp_path}"\noffline = true\n'
    turn = f'[turn]\nsecond_opinion = "{file}"\nspeaker_encoder = "{file}"\n'
    Path("config.toml").write_text(f'{needed}[voice]\nname = "{file}"\n{turn}{cache}')
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


def test_pull_continues_after_a_failure_and_reports_it(gguf: Path) -> None:
    pulled = antiphon_models("pull", "no-such-model", "silero-vad", "whisper-tiny.en")
    assert pulled.exit_code == 1
    assert "✗ there is no model and no file or folder 'no-such-model'" in pulled.stderr
    assert "✓ silero-vad" in pulled.stderr
    assert "offline forbids to fetch it" in pulled.stderr


def test_pull_says_first_what_this_machine_can_not_hold(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.weights.memory_fit.system_memory", lambda: 10**9)
    Path("config.toml").write_text('[decoder]\ndevice = "cpu"\n' + "[models]\noffline = true\ncache = '.'\n")
    output = antiphon_models("pull", "qwen2.5-omni-3b").stderr
    assert output.startswith("! qwen2.5-omni-3b takes 21 GB of memory on the CPU, in float32, and cpu has 1 GB")
    assert "offline forbids to fetch it" in output


def test_pull_says_why_this_machine_gets_tiny(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "here", lambda: Machine(cores=1, memory=8 * 10**9))
    Path("config.toml").write_text("[models]\noffline = true\ncache = '.'\n")
    told = antiphon_models("--profile", "able", "pull").stderr
    assert told.startswith("! This machine gets the profile tiny: the profile able needs 2 cores (1 here).")
    assert "smollm2-135m-instruct" in told
    assert "qwen2.5" not in told
    assert "This machine gets" not in antiphon_models("--profile", "tiny", "pull").stderr


def test_the_ladder_says_what_its_models_take(gguf: Path) -> None:
    rows = {row["name"]: row for row in json.loads(antiphon_models("--json").stdout)}
    able, larger = rows["qwen2.5-coder-1.5b-instruct"], rows["qwen3-8b"]
    assert able["bytes"] < able["memory_bytes"] < larger["memory_bytes"] < 7e9
    assert round(able["computed_tokens_per_s"]) == 26
    assert round(larger["computed_tokens_per_s"]) == 6
    assert rows["whisper-tiny.en"]["computed_tokens_per_s"] is None
    assert rows["qwen3-4b"]["sources"] == ["hub Qwen/Qwen3-4B-GGUF@bc640142"]


def test_pull_says_first_that_a_gguf_does_not_fit(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.weights.memory_fit.system_memory", lambda: 4 * 10**9)
    told = antiphon_models("pull", "qwen3-8b").stderr
    assert told.startswith("! qwen3-8b takes 8 GB of memory, and this machine has 4 GB")


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


def test_a_pipe_gets_each_model_uncut_in_one_line(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = antiphon_models().stdout.splitlines()
    for name, model in known_models().items():
        [line] = [line for line in lines if line.split()[:1] == [name]]
        assert model.licence in line
        assert ", ".join(source.kind for source in model.sources) in line


def test_rm_frees_what_was_downloaded(gguf: Path) -> None:
    folder = gguf.parent / "models" / "qwen3-4b"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(3_000_000))
    assert f"Downloaded to {folder.parent}" in antiphon_models().stdout
    removed = antiphon_models("rm", "qwen3-4b", "no-such-model")
    assert removed.exit_code == 1
    assert "✓ qwen3-4b: 3 MB freed" in removed.stderr
    assert "✗ there is no model" in removed.stderr
    assert not folder.exists()
    assert antiphon_models("rm", "--all").exit_code == 0
    assert not folder.parent.exists()
    assert gguf.exists()
    assert antiphon_models("rm").exit_code == antiphon_models("rm", "qwen3-4b", "--all").exit_code == 2
