"""A server that speaks TLS, and one that stands behind proxies, over real sockets."""

import asyncio
import json
import logging
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

from realtime.access.certificate import lan_certificate
from realtime.app import RENEWAL_TICKS
from realtime.cli.lan import for_lan
from realtime.limits.client_limits import ClientLimits
from realtime.observability.session_log import SessionLog
from realtime.serve import certificate_of, open_access
from realtime.settings import ServerSettings, Settings, SettingsError, load_settings
from tests.support.certificates import LOOPBACK
from tests.support.realtime_server import serving

CLAIMS = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


async def test_sessions_and_the_page_come_over_tls_and_over_nothing_else(tmp_path: Path) -> None:
    certificate = lan_certificate(tmp_path, LOOPBACK)
    trusting = ssl.create_default_context(cafile=certificate.certfile)
    async with serving(certificate=certificate) as running:
        async with connect(f"wss://{running.address}/v1/realtime", ssl=trusting, proxy=None) as client:
            assert json.loads(await client.recv())["type"] == "session.created"
        async with httpx.AsyncClient(verify=trusting, trust_env=False) as browser:
            assert (await browser.get(f"https://{running.address}/")).status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                await browser.get(f"http://{running.address}/")


async def test_a_renewed_certificate_is_in_use_without_a_restart(tmp_path: Path) -> None:
    certificate, renewed = lan_certificate(tmp_path / "now", LOOPBACK), lan_certificate(tmp_path / "next", LOOPBACK)
    before, after = certificate.certfile.read_bytes(), renewed.certfile.read_bytes()
    trusting = ssl.create_default_context(cafile=certificate.certfile)
    async with serving(certificate=certificate) as running:

        def shown() -> bytes:
            host, port = running.address.split(":")
            return ssl.get_server_certificate((host, int(port))).encode()

        async with connect(f"wss://{running.address}/v1/realtime", ssl=trusting, proxy=None) as client:
            assert await asyncio.to_thread(shown) == before
            certificate.keyfile.write_bytes(renewed.keyfile.read_bytes())
            await running.server.on_tick(RENEWAL_TICKS)
            assert await asyncio.to_thread(shown) == before, "the key is there before its certificate"
            certificate.certfile.write_bytes(after)
            await running.server.on_tick(RENEWAL_TICKS)
            assert await asyncio.to_thread(shown) == after
            certificate.certfile.unlink()
            await running.server.on_tick(RENEWAL_TICKS)
            assert await asyncio.to_thread(shown) == after, "it is in use, whatever becomes of the file"
            assert json.loads(await client.recv())["type"] == "session.created"


@pytest.mark.parametrize(
    ("trusted", "peer"),
    [
        ((), "127.0.0.1"),
        (("10.0.0.0/8",), "127.0.0.1"),
        (("127.0.0.1",), "203.0.113.9"),
        (("127.0.0.0/8",), "203.0.113.9"),
    ],
)
async def test_a_client_is_who_a_trusted_proxy_says_and_nobody_else(
    trusted: tuple[str, ...], peer: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with (
        serving(trusted_proxies=trusted, observers=[SessionLog(words=False)]) as running,
        running.connect(additional_headers=CLAIMS) as client,
    ):
        await client.recv()
    [begun] = [record for record in caplog.records if record.getMessage() == "session begun"]
    assert vars(begun)["peer"] == peer


@pytest.mark.parametrize("trusted", [("127.0.0.0/8",), ()])
async def test_a_trusted_proxy_has_as_many_connections_as_its_clients_need(trusted: tuple[str, ...]) -> None:
    one = ClientLimits(trust_loopback=False, connections_per_client=1)
    async with serving(trusted_proxies=trusted, clients=one) as running, running.connect() as client:
        await client.recv()
        if trusted:
            async with running.connect() as other:
                await other.recv()
            return
        with pytest.raises((InvalidMessage, ConnectionError)):
            await running.connect()


def test_a_server_for_phones_has_tls_a_key_and_all_addresses() -> None:
    settings = for_lan(Settings())
    assert certificate_of(settings)
    assert settings.server.host == "0.0.0.0"
    assert len(settings.server.api_key.get_secret_value()) > 40
    assert open_access(settings).keys.required


def test_what_the_settings_give_a_server_for_phones_keeps(tmp_path: Path) -> None:
    own = lan_certificate(tmp_path, LOOPBACK)
    given: Any = {"certfile": own.certfile, "keyfile": own.keyfile, "api_key": "sesame", "port": 9000}
    server = for_lan(Settings(server=ServerSettings(**given))).server
    assert (server.certfile, server.keyfile, server.port) == (own.certfile, own.keyfile, 9000)
    assert server.api_key.get_secret_value() == "sesame"


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"certfile": "a.pem"}, "give both, or neither"),
        ({"trusted_proxies": ["everyone"]}, "should be an IP address or a network"),
    ],
)
def test_half_a_certificate_and_a_proxy_without_an_address_are_refused(server: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(flags={"server": server})
