"""Keys with names: stored hashed, followed by a running server, and never a way to open it to everyone."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from realtime.access.access import Access
from realtime.access.api_keys import KeyProblem, KeyRing, KeysFile
from realtime.access.client_secrets import OwnSecrets

TODAY = "2026-11-28"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "keys.json"


def test_each_key_is_known_by_its_name_and_nothing_else_is(file: Path) -> None:
    keys = KeysFile(file)
    phone, bot = keys.add("phone", TODAY), keys.add("bot", TODAY)
    ring = KeyRing("own", file)
    names = [key.name for value in (phone, bot, "own") if (key := ring.find(value))]
    assert names == ["phone", "bot", "api_key"]
    assert [ring.find(value) for value in ("", "phone", phone[:-1], phone + "a", phone.upper())] == [None] * 5


def test_the_file_holds_no_key_and_only_its_owner_reads_it(file: Path) -> None:
    key = KeysFile(file).add("phone", TODAY)
    assert key.removeprefix("sk-antiphon-") not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())[0]["created"] == TODAY


def test_a_ring_follows_its_file(file: Path) -> None:
    ring, keys = KeyRing("", file), KeysFile(file)
    assert not ring.required
    key = keys.add("phone", TODAY)
    assert ring.required
    assert ring.find(key)
    keys.remove("phone")
    assert ring.find(key) is None


def remove(keys: KeysFile, file: Path) -> None:
    keys.remove("phone")


def delete(keys: KeysFile, file: Path) -> None:
    file.unlink()


def spoil(keys: KeysFile, file: Path) -> None:
    file.write_text('[{"name": "phone"')


@pytest.mark.parametrize("end", [remove, delete, spoil])
async def test_a_server_without_its_last_key_is_closed_not_open(
    file: Path, end: Callable[[KeysFile, Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    keys = KeysFile(file)
    key = keys.add("phone", TODAY)
    access = Access(KeyRing("", file))
    assert await access.caller([key])
    end(keys, file)
    assert await access.caller([key]) is None
    assert await access.caller([]) is None
    assert ("none of the named API keys is accepted" in caplog.text) is (end is spoil)


def test_a_server_whose_last_key_was_removed_is_closed_after_a_restart_too(file: Path) -> None:
    keys = KeysFile(file)
    keys.add("phone", TODAY)
    keys.remove("phone")
    assert KeyRing("", file).required


@pytest.mark.parametrize("name", ["", "two words", "api_key", "a" * 65, "-x", "a/b", "naïve"])
def test_names_are_plain(file: Path, name: str) -> None:
    with pytest.raises(KeyProblem, match="can't name a key"):
        KeysFile(file).add(name, TODAY)


def test_names_are_unique_and_a_wrong_one_is_answered_with_those_that_are(file: Path) -> None:
    keys = KeysFile(file)
    keys.add("phone", TODAY)
    with pytest.raises(KeyProblem, match="already"):
        keys.add("phone", TODAY)
    with pytest.raises(KeyProblem, match="there are: phone"):
        keys.remove("bot")


def test_a_file_that_cannot_be_read_is_refused_at_the_start(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("[]x")
    with pytest.raises(KeyProblem, match=r"can't read the API keys in .*keys\.json"):
        KeyRing("", file)


async def test_an_ephemeral_key_dies_with_the_key_that_made_it(file: Path) -> None:
    keys = KeysFile(file)
    access = Access(KeyRing("own", file), OwnSecrets())
    maker = await access.caller([keys.add("phone", TODAY)])
    assert maker
    value, secret = await access.secrets.create(maker.maker)
    caller = await access.caller([value])
    assert caller
    assert (caller.key, caller.secret) == ("phone", secret)
    keys.remove("phone")
    assert await access.caller([value]) is None


async def test_an_ephemeral_key_from_before_keys_were_required_opens_nothing(file: Path) -> None:
    access = Access(KeyRing("", file), OwnSecrets())
    everyone = await access.caller([])
    assert everyone
    value, secret = await access.secrets.create(everyone.maker)
    caller = await access.caller([value])
    assert caller
    assert caller.secret == secret
    KeysFile(file).add("phone", TODAY)
    assert await access.caller([value]) is None
