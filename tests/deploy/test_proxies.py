"""The recipes for reverse proxies, in the real programs: only names, ports and certificates are changed."""

import asyncio
import json
import logging
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from realtime.access.access import Access
from realtime.access.api_keys import KeyRing
from realtime.access.certificate import Certificate, lan_certificate
from realtime.observability.session_log import SessionLog
from realtime.sessions.guard import Guard
from tests.support.certificates import LOOPBACK
from tests.support.realtime_server import Running, serving

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = "talk.example"
BEARER = {"Authorization": "Bearer sesame"}


@dataclass(frozen=True)
class Proxied:
    """A server of ours with a proxy in front of it, which has the name of the recipes."""

    running: Running
    port: int
    trusting: ssl.SSLContext

    def connect(self, **options: Any) -> connect:  # noqa: ANN401
        url = f"wss://{NAME}/v1/realtime"
        return connect(url, host="127.0.0.1", port=self.port, ssl=self.trusting, proxy=None, **options)

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(verify=self.trusting, trust_env=False) as client:
            url = f"https://127.0.0.1:{self.port}{path}"
            return await client.get(url, headers={"Host": NAME}, extensions={"sni_hostname": NAME})


def nginx(folder: Path, port: int, upstream: str, certificate: Certificate) -> list[str | Path]:
    recipe = (DEPLOY / "nginx/antiphon.conf").read_text()
    changes = {
        "127.0.0.1:8000": upstream,
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "listen [::]:443 ssl;": "",
        "/etc/ssl/talk.example/fullchain.pem": str(certificate.certfile),
        "/etc/ssl/talk.example/privkey.pem": str(certificate.keyfile),
    }
    own = folder / "nginx.conf"
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    own.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {paths}\n{changed(recipe, changes)}\n}}"
    )
    return ["nginx", "-e", "stderr", "-p", folder, "-c", own]


def caddy(folder: Path, port: int, upstream: str, certificate: Certificate) -> list[str | Path]:
    recipe = (DEPLOY / "caddy/Caddyfile").read_text()
    site = f"{NAME}:{port} {{\n\ttls {certificate.certfile} {certificate.keyfile}\n\tbind 127.0.0.1"
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    own = folder / "Caddyfile"
    own.write_text(options + changed(recipe, {"127.0.0.1:8000": upstream, f"{NAME} {{": site}))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", own]


RECIPES = {"nginx": nginx, "caddy": caddy}


def changed(recipe: str, changes: dict[str, str]) -> str:
    _, _, rest = recipe.partition("\n\n")
    for old, new in changes.items():
        assert old in rest, old
        rest = rest.replace(old, new)
    return rest


@asynccontextmanager
async def proxied(name: str, folder: Path, port: int) -> AsyncIterator[Proxied]:
    certificate = lan_certificate(folder, LOOPBACK, [NAME])
    trusting = ssl.create_default_context(cafile=certificate.certfile)
    guard = Guard("127.0.0.1", Access(KeyRing("sesame")), (f"https://{NAME}",))
    log = SessionLog(words=False)
    async with serving(guard=guard, trusted_proxies=["127.0.0.1"], observers=[log], drain_s=60) as running:
        command = RECIPES[name](folder, port, running.address, certificate)
        environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(folder)}
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        try:
            await listening(port, process)
            yield Proxied(running, port, trusting)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.returncode is None, "the proxy ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)  # the proxies have no other way to say that they are there
            else:
                writer.close()
                return


@pytest.fixture(params=RECIPES)
def proxy(request: pytest.FixtureRequest) -> str:
    assert shutil.which(request.param, path="/usr/sbin:/usr/bin:/bin"), "`make test-system` installs it"
    name: str = request.param
    return name


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


async def test_a_conversation_goes_through_and_the_server_knows_whose_it_is(
    proxy: str, port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with proxied(proxy, tmp_path, port) as there:
        claims = {**BEARER, "X-Forwarded-For": "203.0.113.9"}
        page, client_address = Origin(f"https://{NAME}"), ("127.0.0.7", 0)
        async with there.connect(additional_headers=claims, origin=page, local_addr=client_address) as client:
            assert json.loads(await client.recv())["type"] == "session.created"
            await client.send('{"type":"response.create"}')
            while json.loads(await client.recv())["type"] != "response.done":
                pass
        await there.running.agents[0].ended.wait()
    [begun] = [record for record in caplog.records if record.getMessage() == "session begun"]
    assert vars(begun)["peer"] == "127.0.0.7"


async def test_refusals_come_through_with_their_reasons(proxy: str, port: int, tmp_path: Path) -> None:
    async with proxied(proxy, tmp_path, port) as there:
        for options, status, code in (
            ({}, 401, "invalid_api_key"),
            ({"additional_headers": BEARER, "origin": Origin("https://evil.example")}, 403, "origin_not_allowed"),
        ):
            with pytest.raises(InvalidStatus) as refused:
                await there.connect(**options)
            assert refused.value.response.status_code == status
            assert json.loads(refused.value.response.body or b"")["error"]["code"] == code


async def test_the_page_comes_with_its_headers_and_what_is_the_operators_does_not(
    proxy: str, port: int, tmp_path: Path
) -> None:
    async with proxied(proxy, tmp_path, port) as there:
        page = await there.get("/")
        assert page.status_code == 200
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert (await there.get("/health")).json()["status"] == "ok"
        assert [(await there.get(path)).status_code for path in ("/metrics", "/ready")] == [404, 404]
