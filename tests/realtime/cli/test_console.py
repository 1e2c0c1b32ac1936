import sys
from pathlib import Path

import pytest

from realtime.cli.console import program


@pytest.mark.parametrize("is_on_the_path", [True, False])
def test_the_command_is_named_as_another_terminal_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_on_the_path: bool
) -> None:
    script = tmp_path / "antiphon"
    script.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path if is_on_the_path else tmp_path / "empty"))
    monkeypatch.setattr(sys, "argv", [str(script), "serve"])
    assert program() == ("antiphon" if is_on_the_path else str(script))


def test_another_antiphon_on_the_path_is_not_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "antiphon").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["/opt/bin/antiphon", "serve"])
    assert program() == "/opt/bin/antiphon"
