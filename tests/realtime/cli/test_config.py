from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime.cli.main import app
from realtime.settings import Settings, load_settings


def test_the_printed_settings_file_holds_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = CliRunner().invoke(app, ["config"])
    assert printed.exit_code == 0
    assert "# TCP port. 0 picks a free one.\nport = 8000\n" in printed.stdout
    monkeypatch.delenv("ANTIPHON_PROFILE", raising=False)
    file = tmp_path / "mine.toml"
    file.write_text(printed.stdout)
    assert load_settings(file).server == Settings().server
