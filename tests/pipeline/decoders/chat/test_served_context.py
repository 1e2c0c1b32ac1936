"""How much a far server takes, by what it says."""

from typing import Any

import pytest

from pipeline.decoders.chat.served_context import served_context
from tests.support.chat_server import ServerOfDeltas


@pytest.mark.parametrize(
    ("pages", "tokens"),
    [
        ({"/v1/models": {"data": [{"id": "other", "max_model_len": 1}, {"id": "m", "max_model_len": 8192}]}}, 8192),
        ({"/v1/models": {"data": [{"id": "an alias of m", "max_model_len": 8192}]}}, 8192),
        ({"/v1/models": {"data": [{"id": "a", "max_model_len": 1}, {"id": "b", "max_model_len": 2}]}}, None),
        ({"/v1/models": {"data": [{"id": "m"}]}, "/props": {"default_generation_settings": {"n_ctx": 2048}}}, 2048),
        ({"/props": {"default_generation_settings": {"n_ctx": 2048}}}, 2048),
        ({"/v1/models": {"data": [{"id": "m", "object": "model"}]}}, None),
        ({"/v1/models": {"data": "m"}, "/props": {"default_generation_settings": None}}, None),
        ({}, None),
    ],
)
async def test_a_server_is_taken_at_its_word(pages: dict[str, dict[str, Any]], tokens: int | None) -> None:
    async with ServerOfDeltas(lambda body: ([], "stop")).running() as server:
        server.pages = pages
        assert await served_context(server.url, "", "m") == tokens


async def test_a_server_that_is_away_says_nothing() -> None:
    async with ServerOfDeltas(lambda body: ([], "stop")).running() as server:
        url = server.url
    assert await served_context(url, "key", "m") is None
