"""One server for all, as a newcomer starts it, and what they measure its page with."""

import asyncio
from collections.abc import Iterator

import pytest

from pipeline.backends import ENCODERS
from pipeline.encoders.encoder import Encoder
from pipeline.settings import PipelineSettings
from pipeline.weights.store import ModelStore
from tests.browser.driving import started


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of `antiphon serve`."""
    with started() as (url, _):
        yield url


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The agent's own recognizer."""
    settings = PipelineSettings()
    return asyncio.run(ENCODERS[settings.encoder.backend].open(settings, ModelStore()))
