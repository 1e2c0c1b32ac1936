"""Certificates: a client that trusts the server's own one connects to each of its addresses."""

import asyncio
import socket
import ssl
import stat
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from realtime.access.certificate import BadCertificate, Certificate, lan_addresses, lan_certificate
from tests.support.certificates import LOOPBACK


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost", socket.gethostname()])
async def test_a_client_that_trusts_it_accepts_each_name_of_the_server(tmp_path: Path, name: str) -> None:
    certificate = lan_certificate(tmp_path / "state", LOOPBACK)
    certificate.check()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=certificate.certfile)
    serving.load_cert_chain(certificate.certfile, certificate.keyfile)

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0, ssl=serving) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=name)
        assert await reader.read() == b""
        writer.close()


def test_it_is_kept_while_it_serves_and_its_key_is_the_owners(tmp_path: Path) -> None:
    first = lan_certificate(tmp_path, LOOPBACK)
    made = first.certfile.read_bytes()
    assert stat.S_IMODE(first.keyfile.stat().st_mode) == 0o600
    assert lan_certificate(tmp_path, LOOPBACK[:1]).certfile.read_bytes() == made
    anew = lan_certificate(tmp_path, [ip_address("192.0.2.7")]).certfile.read_bytes()
    assert anew != made
    lifetime = x509.load_pem_x509_certificate(anew).not_valid_after_utc - datetime.now(UTC)
    assert lifetime.days <= 398


def test_a_spoiled_one_is_made_anew(tmp_path: Path) -> None:
    certificate = lan_certificate(tmp_path, LOOPBACK)
    certificate.certfile.write_text("nothing")
    lan_certificate(tmp_path, LOOPBACK).check()


def test_a_key_that_does_not_belong_to_it_is_refused_in_plain_words(tmp_path: Path) -> None:
    one, other = lan_certificate(tmp_path / "1", LOOPBACK), lan_certificate(tmp_path / "2", LOOPBACK)
    with pytest.raises(BadCertificate, match=r"can't use the certificate .* with the key"):
        Certificate(one.certfile, other.keyfile).check()
    with pytest.raises(BadCertificate, match="No such file"):
        Certificate(tmp_path / "none.pem", one.keyfile).check()


def test_addresses_are_those_that_others_reach() -> None:
    assert not any(address.is_loopback or address.is_link_local for address in lan_addresses())
