import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.profiles import DEFAULT, PROFILES, choose
from pipeline.settings import PipelineSettings
from pipeline.weights.machine import Machine, usable_cores
from pipeline.weights.store import ModelStore

GB = 10**9
TWO_CORES = Machine(cores=2, memory=8 * GB)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "cache")


def disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))


def test_the_defaults_are_those_of_the_default_profile_on_two_cores() -> None:
    given = PROFILES[DEFAULT].settings(TWO_CORES)["decoder"]
    assert PipelineSettings().decoder.model_dump(include=set(given)) == given


@pytest.mark.parametrize(
    ("machine", "free", "name", "reason"),
    [
        (TWO_CORES, 9 * GB, "able", "2 cores, 8.0 GB of memory, 1.1 GB of weights to fetch, 9.0 GB of disk free"),
        (Machine(1, 8 * GB), 9 * GB, "tiny", "the profile able needs 2 cores (1 here)"),
        (Machine(2, 2 * GB), 9 * GB, "tiny", "the profile able needs 2.8 GB of memory (2.0 GB here)"),
        (TWO_CORES, GB, "tiny", "the profile able needs 1.1 GB of disk for the weights (1.0 GB free)"),
        (
            Machine(1, GB),
            0,
            "tiny",
            "the profile able needs 2 cores (1 here), 2.8 GB of memory (1.0 GB here), "
            "1.1 GB of disk for the weights (0.0 GB free)",
        ),
    ],
)
def test_a_machine_gets_able_or_is_told_why_not(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch, machine: Machine, free: int, name: str, reason: str
) -> None:
    disk(monkeypatch, free)
    choice = choose("able", machine, store)
    assert (choice.name, choice.reason, choice.fell_back) == (name, reason, name != "able")


def test_weights_that_are_here_need_no_disk(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 0)
    able = PROFILES["able"].decoder
    [file] = store.models[able].files
    path = tmp_path / "cache" / "models" / able / file.name
    path.parent.mkdir(parents=True)
    path.touch()
    os.truncate(path, file.size)
    choice = choose("able", TWO_CORES, store)
    assert (choice.name, choice.reason) == ("able", "2 cores, 8.0 GB of memory, weights in the cache")


def test_tiny_is_what_even_the_smallest_machine_gets(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 0)
    choice = choose("tiny", Machine(1, GB // 2), store)
    assert (choice.name, choice.fell_back) == ("tiny", False)


@pytest.mark.parametrize(
    ("name", "machine", "sessions", "slots", "threads"),
    [
        ("able", TWO_CORES, 2, 2, 2),
        ("able", Machine(8, 64 * GB), 8, 8, 2),
        ("able", Machine(8, 3 * GB), 4, 4, 2),
        ("able", Machine(64, 512 * GB), 64, 16, 2),
        ("tiny", TWO_CORES, 4, 4, 1),
        ("tiny", Machine(1, 2 * GB), 2, 2, 1),
        ("tiny", Machine(1, GB // 2), 1, 2, 1),
    ],
)
def test_conversations_follow_cores_and_memory(
    name: str, machine: Machine, sessions: int, slots: int, threads: int
) -> None:
    settings = {"able": PROFILES["able"], "tiny": PROFILES["tiny"]}[name].settings(machine)
    assert settings["server"] == {"max_sessions": sessions}
    assert (settings["decoder"]["slots"], settings["decoder"]["threads"]) == (slots, threads)


@pytest.mark.parametrize(("quota", "cores"), [("50000 100000", 1), ("max 100000", None), ("100000 100000", 1)])
def test_a_container_with_a_quota_has_that_many_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int | None
) -> None:
    monkeypatch.setattr("pipeline.weights.machine._CGROUP", tmp_path)
    all_cores = usable_cores()
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert usable_cores() == (cores or all_cores)
