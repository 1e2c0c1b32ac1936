"""The servers that a cluster consists of, as they really are."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.ports import free_port


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis server that keeps nothing on disk; its URL."""
    program = shutil.which("redis-server")
    assert program is not None, "redis-server is missing (Debian: apt install redis-server)"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert any("Ready to accept connections" in line for line in process.stdout), "Redis did not start"
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                process.terminate()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url
