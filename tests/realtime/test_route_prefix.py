"""The application under a prefix, as Ray Serve mounts it: the rules are those of the paths that it routes."""

import httpx
import pytest

from realtime.access.access import Access
from realtime.access.api_keys import KeyRing
from realtime.limits.route_path import route_path
from realtime.sessions.guard import Guard
from tests.support.realtime_server import serving

KEYED = Guard("127.0.0.1", Access(KeyRing("sesame")))
OFFER = {"content-type": "application/sdp", "host": "127.0.0.1"}


@pytest.mark.parametrize("path", ["/v1/realtime/calls", "/v1/realtime/client_secrets", "/v1/audio/speech"])
@pytest.mark.parametrize("prefix", ["", "/agents"])
async def test_a_key_is_asked_for_under_a_prefix_too(path: str, prefix: str) -> None:
    async with serving(guard=KEYED) as running:
        transport = httpx.ASGITransport(running.app, root_path=prefix, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            assert (await client.post(prefix + path, content="offer", headers=OFFER)).status_code == 401
            assert (await client.get(f"{prefix}/metrics")).status_code == 401
            assert (await client.get(f"{prefix}/health")).status_code == 200


@pytest.mark.parametrize(
    ("path", "prefix", "routed"),
    [
        ("/v1/realtime", "", "/v1/realtime"),
        ("/agents/v1/realtime", "/agents", "/v1/realtime"),
        ("/agents", "/agents", ""),
        ("/agents2/v1/realtime", "/agents", "/agents2/v1/realtime"),
        ("/v1/realtime", "/agents", "/v1/realtime"),
    ],
)
def test_the_prefix_is_whole_parts_of_the_path(path: str, prefix: str, routed: str) -> None:
    assert route_path({"path": path, "root_path": prefix}) == routed
