"""Runs an example as its reader does, against the small model or against one that calls a tool."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pipeline.settings import DecoderSettings
from realtime.serve import loaded, running
from realtime.settings import ServerSettings, Settings
from tests.support.chat_server import Deltas, ServerOfDeltas

EXAMPLES = Path(__file__).parents[2] / "examples"
TOLD_TIME = "Your clock shows a quarter past nine."
"""The answer of the model that calls the tool, once it has the tool's result."""
_PATIENCE_S = 120


async def run(*command: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What a Python program printed. `folder` is where it runs; it must end well."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            printed, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaints.decode()
    return printed.decode()


@asynccontextmanager
async def serving_a_model_that_calls(tool: str, *allowed_origins: str) -> AsyncIterator[tuple[str, ServerOfDeltas]]:
    """The URL of a server whose model calls `tool` for every question, and that model.

    The model is a stand-in: the small one never calls a tool by itself.
    """

    def deltas(body: Mapping[str, Any]) -> tuple[Deltas, str]:
        return answering(TOLD_TIME) if body["messages"][-1]["role"] == "tool" else calling(tool)

    async with serving(deltas, *allowed_origins) as running_server:
        yield running_server


@asynccontextmanager
async def serving(
    deltas: Callable[[Mapping[str, Any]], tuple[Deltas, str]], *allowed_origins: str
) -> AsyncIterator[tuple[str, ServerOfDeltas]]:
    """The URL of a server whose language model is a stand-in that streams what `deltas` returns, and that model."""
    async with ServerOfDeltas(deltas).running() as model:
        settings = Settings(
            decoder=DecoderSettings(backend="openai", model="stand-in", url=model.url),
            server=ServerSettings(port=0, allowed_origins=allowed_origins),
        )
        async with loaded(settings) as engine, running(engine, settings) as url:
            yield url, model


def answering(text: str) -> tuple[Deltas, str]:
    """What a stand-in streams to say this."""
    return [{"content": text}], "stop"


def calling(tool: str) -> tuple[Deltas, str]:
    """What a stand-in streams to call a tool without arguments."""
    return [{"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": tool, "arguments": "{}"}}]}], "tool_calls"
