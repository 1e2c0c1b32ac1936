"""Which replica gets a request, by what the request says."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from ray.serve._private.proxy_request_response import ASGIProxyRequest

from realtime.cluster.router import FULL, ranked, scope_of, wanted_place


@pytest.mark.parametrize(
    ("path", "query", "place"),
    [
        ("/v1/realtime", b"model=antiphon&resume=secret.b2", "b2"),
        ("/v1/realtime/calls", b"resume=secret.b2", "b2"),
        ("/v1/realtime", b"resume=1", ""),
        ("/v1/realtime", b"", ""),
        ("/v1/realtime/calls/rtc_1.b2/hangup", b"", "b2"),
        ("/health", b"", ""),
    ],
)
def test_a_request_names_its_replica(path: str, query: bytes, place: str) -> None:
    assert wanted_place({"type": "http", "path": path, "query_string": query}) == place


def test_a_call_of_an_application_under_a_prefix_names_it_too() -> None:
    scope = {"type": "http", "path": "/agents/v1/realtime/calls/rtc_1.b2/hangup", "root_path": "/agents"}
    assert wanted_place(scope) == "b2"


def test_a_request_comes_as_serve_s_proxies_send_it() -> None:
    scope = {"type": "websocket", "path": "/v1/realtime", "query_string": b"resume=secret.b2", "headers": []}
    sent = ASGIProxyRequest(scope, receive=AsyncMock(), send=AsyncMock()).serialized_replica_arg("proxy")
    assert wanted_place(scope_of((sent,))) == "b2"


def test_a_request_of_another_program_names_none() -> None:
    assert wanted_place(scope_of(())) == ""
    assert wanted_place(scope_of(("text",))) == ""


def replica(name: str, full: bool | None = None) -> Any:  # noqa: ANN401
    stats = {} if full is None else {FULL: full}
    return SimpleNamespace(replica_id=SimpleNamespace(unique_id=name), routing_stats=stats)


def test_its_own_replica_comes_first_even_if_it_is_full() -> None:
    own, other = replica("a", full=True), replica("b", full=False)
    assert ranked([other, own], "a") == [[own], [own], [own], [other], [other, own]]


def test_a_replica_that_is_gone_is_replaced_by_one_with_room() -> None:
    full, roomy, new = replica("a", full=True), replica("b", full=False), replica("c")
    first, *rest = ranked([full, roomy, new], "gone")
    assert sorted(one.replica_id.unique_id for one in first) == ["b", "c"]
    assert rest == [[full, roomy, new]]


def test_where_all_are_full_any_may_refuse() -> None:
    assert ranked([replica("a", full=True)], "") == [[replica("a", full=True)]]
