"""TLS certificates: the operator's own, or one that the server makes for phones in the same network."""

import logging
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import ifaddr
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from audio.errors import PlainError
from realtime.access.file_state import file_state

log = logging.getLogger(__name__)

_VALID = timedelta(days=397)
"""Longest validity that browsers accept."""
_SOON = timedelta(days=7)
"""A certificate that ends within this is made anew."""


class BadCertificate(PlainError):
    """A certificate or its key cannot be used."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its private key, as PEM files."""

    certfile: Path
    keyfile: Path

    def check(self) -> None:
        """Raises `BadCertificate`."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certfile, self.keyfile)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or str(error)
            raise BadCertificate(
                f"can't use the certificate {self.certfile} with the key {self.keyfile}: {why}; both are PEM files"
            ) from error


class RenewedCertificate:
    """Keeps a server's TLS context up to date with its certificate, which may be renewed while the server runs."""

    def __init__(self, certificate: Certificate, context: ssl.SSLContext) -> None:
        """`context` uses `certificate` as it is now."""
        self._certificate = certificate
        self._context = context
        self._seen = self._state()

    def refresh(self) -> None:
        """Read the files again if they have changed. What connects from then on gets the new certificate.

        While they cannot be used, as between the writing of one and the other, the certificate in use stays.
        """
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._certificate.check()
        except BadCertificate as problem:
            log.warning("the certificate in use stays: %s", problem)
            return
        self._context.load_cert_chain(self._certificate.certfile, self._certificate.keyfile)
        log.info("read the certificate %s again", self._certificate.certfile)

    def _state(self) -> tuple[tuple[int, int, int] | None, ...]:
        return file_state(self._certificate.certfile), file_state(self._certificate.keyfile)


def lan_addresses() -> Sequence[IPv4Address | IPv6Address]:
    """The addresses under which other devices in the network reach this machine, IPv4 first."""
    found = [ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0]) for ip in _ips()]
    usable = {address for address in found if not (address.is_loopback or address.is_link_local)}
    return sorted(usable, key=lambda address: (address.version, int(address)))


def _ips() -> Iterator[ifaddr.IP]:
    for adapter in ifaddr.get_adapters():
        yield from adapter.ips


def lan_certificate(
    folder: Path, addresses: Sequence[IPv4Address | IPv6Address], names: Sequence[str] = ()
) -> Certificate:
    """A self-signed certificate for this machine's names, further `names` and `addresses`, kept in `folder`.

    It is made anew only when it is about to end or does not name an address: a phone asks again for each new one.
    """
    certificate = Certificate(folder / "lan-certificate.pem", folder / "lan-key.pem")
    if not _still_serves(certificate.certfile, addresses):
        _make(certificate, addresses, names)
    return certificate


def _still_serves(file: Path, addresses: Sequence[IPv4Address | IPv6Address]) -> bool:
    try:
        present = x509.load_pem_x509_certificate(file.read_bytes())
        named = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return present.not_valid_after_utc > datetime.now(UTC) + _SOON and set(addresses) <= set(
        named.get_values_for_type(x509.IPAddress)
    )


def _make(certificate: Certificate, addresses: Sequence[IPv4Address | IPv6Address], more_names: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Antiphon on this network")])
    names = [x509.DNSName(name) for name in ("localhost", host, f"{host.partition('.')[0]}.local", *more_names)]
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of phones differ
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([*names, *map(x509.IPAddress, addresses)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )
    certificate.keyfile.parent.mkdir(parents=True, exist_ok=True)
    with open(certificate.keyfile, "wb", opener=_for_owner) as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.certfile.write_bytes(built.public_bytes(Encoding.PEM))


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
