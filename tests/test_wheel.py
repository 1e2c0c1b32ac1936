"""The wheel, installed in an environment of its own and run outside the checkout, has all that its commands need."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.speech import recordings

ROOT = Path(__file__).parents[1]


class Installation:
    """A virtual environment with the wheel, run from an empty folder."""

    def __init__(self, environment: Path, folder: Path) -> None:
        self.bin = environment / "bin"
        self.folder = folder
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        """Environment without what points Python at the checkout."""

    def run(self, *arguments: str) -> str:
        """The output of `antiphon ARGUMENTS`, which must succeed."""
        command: list[str | Path] = [self.bin / "antiphon", *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The address of `antiphon serve` while it runs."""
        command: list[str | Path] = [self.bin / "antiphon", "serve", "--port", "0"]
        with subprocess.Popen(
            command, cwd=self.folder, env=self.variables, stderr=subprocess.PIPE, text=True
        ) as server:
            assert server.stderr
            lines = iter(server.stderr.readline, "")
            yield next(match.group() for line in lines if (match := re.search(r"http://\S+", line)))
            server.terminate()
            server.stderr.read()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel's dependencies are borrowed from the environment of the tests; the checkout is not on its path."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    [wheel] = folder.glob("*.whl")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    own = next(environment.glob("lib/python*/site-packages"))
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    installer: list[str | Path] = [
        environment / "bin" / "python",
        *pip[1:],
        "install",
        "--no-deps",
        "--force-reinstall",
        wheel,
    ]
    subprocess.run(installer, check=True)
    empty = folder / "elsewhere"
    empty.mkdir()
    return Installation(environment, empty)


def test_it_runs_from_the_wheel_and_not_from_the_checkout(installation: Installation) -> None:
    python = installation.bin / "python"
    found = subprocess.run(
        [python, "-c", "import bench, realtime; print(bench.__file__, realtime.__file__)"],
        cwd=installation.folder,
        env=installation.variables,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert all("site-packages" in path and str(ROOT) not in path for path in found)


@pytest.mark.parametrize("package", ["realtime", "pipeline", "tts", "audio", "bench"])
def test_its_types_are_for_other_programs(installation: Installation, package: str) -> None:
    [site_packages] = installation.bin.parent.glob("lib/python*/site-packages")
    assert (site_packages / package / "py.typed").is_file()


def test_it_prints_its_settings_file(installation: Installation) -> None:
    assert installation.run("config") == (ROOT / "config.toml").read_text()


def test_it_names_its_version(installation: Installation) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert installation.run("--version") == f"antiphon {project['version']}\n"


def test_it_speaks(installation: Installation) -> None:
    installation.run("say", "Good morning.", "--out", "morning.wav")
    assert (installation.folder / "morning.wav").stat().st_size > 10_000


def test_it_serves_the_page_and_answers(installation: Installation) -> None:
    with installation.serving() as url:
        with urlopen(url) as page:
            [script] = re.findall(r'<script type="module" src="([^"]+)"', page.read().decode())
        with urlopen(f"{url}/{script}") as code:
            assert code.headers["Content-Type"].startswith("text/javascript")
        installation.run("ask", str(recordings()["turn_02"].path), "--url", url, "--out", "answer.wav")
    assert (installation.folder / "answer.wav").stat().st_size > 10_000


def test_the_latency_bench_finds_its_recordings(installation: Installation) -> None:
    assert '"voice_to_voice' in installation.run("bench", "latency", "--json")
