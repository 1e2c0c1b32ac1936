"""The image is built and run as docs/operations.md says: without rights, on a read-only file system."""

import asyncio
import json
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from openai import AsyncOpenAI
from platformdirs import user_cache_path

from tests.support.serving import call

ROOT = Path(__file__).parents[2]
BASE = ROOT / "build/container/base.tar"
"""Made by setup.sh."""
CONFINED = shlex.split("--read-only --tmpfs /tmp --cap-drop all --security-opt no-new-privileges --network host")
# podman's own limits are higher than a test machine may allow.
LIMITS = shlex.split("--ulimit nofile=1024:1024 --ulimit nproc=4096:4096")
LONGEST_START_S = 240


class Tools:
    """buildah and podman over one store of images."""

    def __init__(self, folder: Path) -> None:
        self._store = ["--root", str(folder / "store"), "--runroot", str(folder / "run")]

    def buildah(self, *arguments: str) -> None:
        subprocess.run(["buildah", *self._store, *arguments], cwd=ROOT, check=True)

    def podman(self, *arguments: str, check: bool = True) -> str:
        command = ["podman", *self._store, "--runtime", "runc", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0 or not check, ended.stderr
        return ended.stdout.strip()


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The tools, with the image built. $ANTIPHON_BUILD_OPTIONS: what this machine's pip needs in it, as --volume."""
    tools = Tools(tmp_path_factory.mktemp("containers"))
    assert BASE.is_file(), "`make test-container` makes it"
    tools.podman("import", "--quiet", str(BASE), "localhost/base")
    tools.buildah(
        *("build", "--isolation", "chroot", "--network", "host", "--layers=false", "--format", "docker"),
        *("--build-arg", "BASE=localhost/base", "--build-arg", "PROFILE=tiny"),
        *shlex.split(os.environ.get("ANTIPHON_BUILD_OPTIONS", "")),
        *("--file", "deploy/container/Dockerfile", "--tag", "localhost/antiphon", "."),
    )
    return tools


@pytest.fixture(scope="module")
def url(tools: Tools) -> Iterator[str]:
    """The URL of the container `antiphon`, which serves with the weights of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"SERVER__HOST": "127.0.0.1", "SERVER__PORT": port, "METRICS__PORT": 0}
    variables = [f"--env=ANTIPHON_{name}={value}" for name, value in settings.items()]
    weights = f"--volume={user_cache_path('antiphon')}:/weights:ro"
    tools.podman("run", "--detach", "--name=antiphon", *CONFINED, *LIMITS, *variables, weights, "localhost/antiphon")
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(address, tools)
        yield address
    finally:
        tools.podman("rm", "--force", "antiphon", check=False)


def wait_until_ready(url: str, tools: Tools) -> None:
    end = time.monotonic() + LONGEST_START_S
    while time.monotonic() < end:
        assert tools.podman("inspect", "--format={{.State.Running}}", "antiphon") == "true", tools.podman(
            "logs", "antiphon"
        )
        try:
            with urlopen(f"{url}/ready") as answer:
                assert json.load(answer)["ready"]
                return
        except URLError:
            time.sleep(0.5)  # a container has no other way to say that it serves
    raise AssertionError(tools.podman("logs", "antiphon"))


def test_it_answers_as_a_user_without_rights_who_can_change_nothing(tools: Tools, url: str) -> None:
    assert tools.podman("exec", "antiphon", "id", "-u") == "10001"
    assert tools.podman("exec", "antiphon", "sh", "-c", "touch /opt/antiphon/x || echo refused") == "refused"
    status = tools.podman("exec", "antiphon", "grep", "-E", "CapEff|NoNewPrivs", "/proc/1/status").split()
    assert status == ["CapEff:", "0000000000000000", "NoNewPrivs:", "1"]


def test_it_calls_itself_healthy(tools: Tools, url: str) -> None:
    healthcheck = json.loads(tools.podman("inspect", "--format={{json .Config.Healthcheck.Test}}", "antiphon"))
    assert healthcheck[0] == "CMD-SHELL"
    assert tools.podman("exec", "antiphon", "sh", "-c", healthcheck[1]) == ""


def test_it_answers_aloud(url: str) -> None:
    async def ask() -> float:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as client, call(client) as caller:
            content = [{"type": "input_text", "text": "What is the capital of France?"}]
            item = {"type": "message", "role": "user", "content": content}
            await caller.connection.conversation.item.create(item=item)  # type: ignore[arg-type]
            await caller.connection.response.create()
            done = await caller.until("response.done")
            assert done.response.status == "completed"
            return len(caller.audio(done.response.id)) / 24_000

    assert asyncio.run(ask()) > 0.3


def test_a_key_made_in_it_is_kept_in_its_volume(tools: Tools) -> None:
    run = ("run", "--rm", *CONFINED, *LIMITS, "--volume=data:/data", "localhost/antiphon", "keys")
    key = tools.podman(*run, "add", "phone")
    assert key.startswith("sk-antiphon-")
    assert "phone" in tools.podman(*run, "list")


def test_it_drains_when_it_is_stopped(tools: Tools, url: str) -> None:
    """The last test: it stops the container."""
    tools.podman("stop", "--time=60", "antiphon")
    assert tools.podman("inspect", "--format={{.State.ExitCode}}", "antiphon") == "0"
