"""Access control by host, origin and key."""

import socket

import pytest

from realtime.access.access import Access, Caller
from realtime.access.api_keys import KeyRing
from realtime.sessions.guard import Guard, Refusal

LOCAL = Guard("127.0.0.1", allowed_origins=("https://app.example",))
OPEN = Guard("0.0.0.0", allowed_origins=("https://app.example",))


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "app.example"])
def test_a_local_server_answers_to_local_and_to_allowed_names(host: str) -> None:
    assert LOCAL.check_host({"host": host}) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "192.168.1.2", "localhost.evil.example", "", "[::1"]
)
def test_a_local_server_answers_to_no_other_name(host: str) -> None:
    refusal = LOCAL.check_host({"host": host})
    assert refusal is not None
    assert (refusal.status, refusal.code) == (403, "host_not_allowed")


def test_a_request_without_a_host_is_refused_locally() -> None:
    assert LOCAL.check_host({}) is not None


@pytest.mark.parametrize(
    "host", ["192.168.1.2:8000", "[2001:db8::1]:8000", "localhost", "app.example", socket.gethostname()]
)
def test_a_server_on_the_network_answers_to_addresses_and_its_own_names(host: str) -> None:
    assert OPEN.check_host({"host": host}) is None


@pytest.mark.parametrize("host", ["evil.example", "", "192.168.1.2.evil.example"])
def test_a_server_on_the_network_answers_to_no_other_name(host: str) -> None:
    refusal = OPEN.check_host({"host": host})
    assert refusal is not None
    assert "server.allowed_hosts" in refusal.message


@pytest.mark.parametrize("bound_to", ["127.0.0.1", "0.0.0.0"])
def test_a_server_answers_to_the_names_that_it_is_given(bound_to: str) -> None:
    named = Guard(bound_to, allowed_hosts=("Talk.example",))
    assert named.check_host({"host": "talk.example:443"}) is None
    assert named.check_host({"host": "evil.example"}) is not None
    assert Guard(bound_to, allowed_hosts=("*",)).check_host({"host": "evil.example"}) is None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "localhost:8000"),
        ("http://localhost:8000", "localhost:8000"),
        ("http://localhost:8000", "127.0.0.1:8000"),
        ("http://[::1]:8000", "localhost:8000"),
        ("https://app.example", "localhost:8000"),
        ("http://talk.example", "talk.example"),
        ("https://talk.example", "talk.example"),
        ("https://talk.example", "talk.example:443"),
        ("https://TALK.example", "talk.example"),
    ],
)
def test_origins_of_the_server_itself_may_use_it(origin: str | None, host: str) -> None:
    headers = {"host": host} if origin is None else {"host": host, "origin": origin}
    assert OPEN.check_origin(headers) is None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "localhost:8000"),
        ("http://localhost:3000", "localhost:8000"),
        ("http://app.example", "localhost:8000"),
        ("https://app.example.evil.example", "localhost:8000"),
        ("https://talk.example", "talk.example:8000"),
        ("null", "localhost:8000"),
        ("", "localhost:8000"),
        ("http://localhost:99999", "localhost:8000"),
        ("http://[::1", "localhost:8000"),
        ("file://", "localhost:8000"),
    ],
)
def test_foreign_origins_may_not(origin: str, host: str) -> None:
    refusal = OPEN.check_origin({"host": host, "origin": origin})
    assert refusal is not None
    assert (refusal.status, refusal.code) == (403, "origin_not_allowed")


async def test_without_a_key_anyone_may_come() -> None:
    assert await LOCAL.identify({}) == Caller()


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ({"authorization": "Bearer schlüssel"}, []),
        ({"authorization": "bearer  schlüssel "}, []),
        ({}, ["realtime", "openai-insecure-api-key.schlüssel"]),
        ({"authorization": "Bearer wrong"}, ["openai-insecure-api-key.schlüssel"]),
    ],
)
async def test_the_key_opens(headers: dict[str, str], subprotocols: list[str]) -> None:
    caller = await Guard("127.0.0.1", Access(KeyRing("schlüssel"))).identify(headers, subprotocols)
    assert isinstance(caller, Caller)
    assert caller.key == "api_key"


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ({}, []),
        ({"authorization": "Bearer "}, []),
        ({"authorization": "Bearer schlüsse"}, []),
        ({"authorization": "Basic schlüssel"}, []),
        ({}, ["realtime", "schlüssel"]),
        ({}, ["openai-insecure-api-key."]),
    ],
)
async def test_nothing_else_opens(headers: dict[str, str], subprotocols: list[str]) -> None:
    refusal = await Guard("127.0.0.1", Access(KeyRing("schlüssel"))).identify(headers, subprotocols)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (401, "invalid_api_key")
    assert "schlüssel" not in str(refusal.as_json())
