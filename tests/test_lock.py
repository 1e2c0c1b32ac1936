"""requirements.lock: every package of a server, at the version that the tests run with, with the sums of its files."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    return {normalized(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)}


LOCK = (ROOT / "requirements.lock").read_text()


def test_the_lock_names_every_package_that_a_server_needs() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {normalized(re.split(r"[^\w.-]", need)[0]) for need in needed}
    assert names - pinned(LOCK).keys() == set()


def test_the_lock_has_the_versions_that_the_tests_run_with() -> None:
    constraints = pinned((ROOT / "constraints.txt").read_text())
    assert {name: version for name, version in pinned(LOCK).items() if constraints.get(name, version) != version} == {}


def test_every_package_of_the_lock_has_sums_and_no_address() -> None:
    blocks = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) > 80
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in LOCK
