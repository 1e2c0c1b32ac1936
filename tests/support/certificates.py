"""What a certificate for a test names."""

from ipaddress import ip_address

LOOPBACK = [ip_address("127.0.0.1"), ip_address("::1")]
