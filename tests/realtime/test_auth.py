"""Who is let in."""

import pytest

from realtime.auth import Guard

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


def test_a_server_on_the_network_answers_to_any_name() -> None:
    assert OPEN.check_host({"host": "talk.example"}) is None


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


def test_without_a_key_anyone_may_come() -> None:
    assert LOCAL.check_key({}) is None


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ({"authorization": "Bearer schlüssel"}, []),
        ({"authorization": "bearer  schlüssel "}, []),
        ({}, ["realtime", "openai-insecure-api-key.schlüssel"]),
        ({"authorization": "Bearer wrong"}, ["openai-insecure-api-key.schlüssel"]),
    ],
)
def test_the_key_opens(headers: dict[str, str], subprotocols: list[str]) -> None:
    assert Guard("127.0.0.1", "schlüssel").check_key(headers, subprotocols) is None


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
def test_nothing_else_opens(headers: dict[str, str], subprotocols: list[str]) -> None:
    refusal = Guard("127.0.0.1", "schlüssel").check_key(headers, subprotocols)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (401, "invalid_api_key")
    assert "schlüssel" not in str(refusal.as_json())
