import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from realtime.access.api_keys import KeyRing
from realtime.cli.keys import keys_app


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTIPHON_SERVER__KEYS_FILE", str(tmp_path / "keys.json"))
    return tmp_path / "keys.json"


def antiphon_keys(*arguments: str) -> Result:
    return CliRunner().invoke(keys_app, arguments)


def test_the_printed_key_and_only_that_goes_to_the_output_and_opens(file: Path) -> None:
    made = antiphon_keys("add", "phone")
    assert made.exit_code == 0
    key = KeyRing("", file).find(made.stdout.removesuffix("\n"))
    assert key
    assert key.name == "phone"
    assert "shown only now" in made.stderr


def test_the_list_names_each_key_and_shows_none(file: Path) -> None:
    assert "no key in" in antiphon_keys("list").stdout
    value = antiphon_keys("add", "phone").stdout.strip()
    antiphon_keys("add", "bot")
    shown = antiphon_keys("list").stdout
    assert "phone" in shown
    assert value not in shown
    assert [key["name"] for key in json.loads(antiphon_keys("list", "--json").stdout)] == ["phone", "bot"]


def test_a_removed_key_is_gone_and_a_wrong_name_is_an_error(file: Path) -> None:
    value = antiphon_keys("add", "phone").stdout.strip()
    assert antiphon_keys("remove", "phone").exit_code == 0
    assert KeyRing("", file).find(value) is None
    again = antiphon_keys("remove", "phone")
    assert again.exit_code == 1
    assert "there is no key named 'phone'" in again.stderr
