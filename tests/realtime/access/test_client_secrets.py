"""Ephemeral keys: how long they live, how many there may be, and what a restart leaves of them."""

import stat
from pathlib import Path

import pytest

from realtime.access import client_secrets
from realtime.access.client_secrets import OwnSecrets, TooManySecrets


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_a_key_is_valid_until_it_expires() -> None:
    clock = Clock()
    secrets = OwnSecrets(now=clock)
    value, secret = await secrets.create("maker", 10, '{"type": "realtime"}')
    assert value.startswith("ek_")
    assert secret.expires_at == 1_010
    clock.now = 1_009.9
    assert await secrets.find(value) == secret
    clock.now = 1_010
    assert await secrets.find(value) is None


async def test_no_other_value_is_a_key() -> None:
    secrets = OwnSecrets()
    value, _ = await secrets.create("maker")
    assert [await secrets.find(other) for other in ("", "ek_", value[:-1], value + "a", value[3:])] == [None] * 5


async def test_one_api_key_cannot_fill_the_memory_nor_the_place_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_secrets, "MOST_A_KEY", 3)
    clock = Clock()
    secrets = OwnSecrets(now=clock)
    for _ in range(3):
        await secrets.create("greedy", 10)
    with pytest.raises(TooManySecrets):
        await secrets.create("greedy", 10)
    await secrets.create("other", 10)
    clock.now += 10
    await secrets.create("greedy", 10)


async def test_valid_keys_outlive_a_restart_and_their_values_are_nowhere_on_disk(tmp_path: Path) -> None:
    file, clock = tmp_path / "state" / "secrets.jsonl", Clock()
    before = OwnSecrets(file, clock)
    short, _ = await before.create("maker", 10)
    long, secret = await before.create("maker", 20, '{"type": "realtime", "instructions": "Rhyme."}')
    assert long not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    clock.now += 10
    after = OwnSecrets(file, clock)
    assert await after.find(long) == secret
    assert await after.find(short) is None
    assert len(file.read_text().splitlines()) == 1


async def test_a_line_that_was_cut_off_costs_only_its_own_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "secrets.jsonl"
    value, _ = await OwnSecrets(file).create("maker")
    with file.open("a") as broken:
        broken.write('{"sha256": "ab')
    assert await OwnSecrets(file).find(value)
    assert "cut off" in caplog.text


async def test_a_folder_that_cannot_be_written_costs_only_the_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    secrets = OwnSecrets(tmp_path / "file" / "secrets.jsonl")
    assert "will not survive a restart" in caplog.text
    value, _ = await secrets.create("maker")
    assert await secrets.find(value)
