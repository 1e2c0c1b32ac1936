from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime.cli import conversations
from realtime.cli.main import app
from realtime.observability import logs
from realtime.settings import Settings


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings with which `antiphon serve` would have served."""
    found: list[Settings] = []

    async def serve(settings: Settings, lan: bool) -> None:
        assert not lan
        found.append(settings)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(conversations, "serve", serve)
    monkeypatch.setattr(logs, "configure", lambda level, format: None)
    return found


@pytest.mark.parametrize(
    ("name", "backend"),
    [("qwen3-4b", "llama"), ("qwen2.5-omni-3b", "torch"), ("my.gguf", "llama"), (".", "torch")],
)
def test_the_name_of_a_decoder_is_all_it_takes(served: list[Settings], name: str, backend: str) -> None:
    assert CliRunner().invoke(app, ["serve", "--decoder", name]).exit_code == 0
    assert (served[0].decoder.model, served[0].decoder.backend) == (name, backend)


def test_a_flag_chooses_the_profile(served: list[Settings]) -> None:
    assert CliRunner().invoke(app, ["serve", "--profile", "tiny", "--port", "1"]).exit_code == 0
    assert (served[0].profile, served[0].decoder.model) == ("tiny", "smollm2-135m-instruct")
    assert served[0].server.port == 1
    assert CliRunner().invoke(app, ["serve", "--profile", "big"]).exit_code == 2


@pytest.mark.parametrize("command", ["ask", "talk"])
def test_a_server_elsewhere_keeps_its_own_decoder(command: str) -> None:
    arguments = [command, *(["x.wav"] if command == "ask" else []), "--url", "http://127.0.0.1:9", "--decoder", "a"]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code != 0
    assert "leave out --url" in run.output + str(run.exception)
