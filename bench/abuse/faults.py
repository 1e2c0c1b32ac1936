"""What callers hear of an upstream that is killed or suspended in the middle of an answer, and how soon it is well."""

import asyncio
import json
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection

from bench.abuse.attackers import open_socket
from bench.abuse.mutations import VALID
from bench.abuse.processes import Upstream, Victim
from realtime.protocol.audio_format import WIRE_RATE

FAULTS = ("kill", "stop")
"""SIGKILL and a new start; SIGSTOP and SIGCONT."""

_PATIENCE_S = 30.0
"""Longest wait for an event after a fault."""
_BASE64_BYTES = 4 / 3 * 2
"""Characters of a sample of pcm16."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds from a fault to its apology, and from the end of it to the next answer; None: there was none."""

    apology_s: float | None
    """Until the first word of the apology arrives."""
    silence_s: float | None
    """How long the caller hears nothing before it: what was said until then is still being played for a while."""
    recovery_s: float | None
    """From the question that follows, when the upstream is back, to the first audio of its answer."""


async def fail(server: Victim, upstream: Upstream, fault: str) -> Outcome:
    """Break the upstream in mid-answer, mend it, and ask again."""
    loop = asyncio.get_running_loop()
    async with open_socket(server.port, f"127.0.8.{1 + FAULTS.index(fault)}") as client:
        await client.send(json.dumps(VALID[6]))
        await client.send('{"type":"response.create"}')
        first = await _until(client, "response.output_audio.delta")
        played_until = loop.time() + _seconds(first)
        if fault == "kill":
            await upstream.kill()
        else:
            upstream.signal(signal.SIGSTOP)
        at = loop.time()
        apology = await _apology(client, played_until)
        await _until(client, "response.done")
        if fault == "kill":
            await upstream.start()
        else:
            upstream.signal(signal.SIGCONT)
        asked_at = loop.time()
        await client.send('{"type":"response.create"}')
        answered = await _until(client, "response.output_audio.delta")
        return Outcome(
            None if apology is None else apology[0] - at,
            None if apology is None else max(0.0, apology[0] - apology[1]),
            loop.time() - asked_at if answered else None,
        )


async def _apology(client: ClientConnection, played_until: float) -> tuple[float, float] | None:
    """When the apology's first audio arrives, and when what came before it is played; None: there is no apology."""
    loop = asyncio.get_running_loop()
    begun = False
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                event = json.loads(await client.recv())
                match event["type"]:
                    case "response.output_audio_transcript.delta":
                        begun = begun or "Sorry" in event["delta"]
                    case "response.output_audio.delta" if begun:
                        return loop.time(), played_until
                    case "response.output_audio.delta":
                        played_until = max(played_until, loop.time()) + _seconds(event)
                    case "response.done":
                        return None
    return None


def _seconds(event: dict[str, Any] | None) -> float:
    return 0.0 if event is None else len(event["delta"]) / _BASE64_BYTES / WIRE_RATE


async def _until(client: ClientConnection, kind: str) -> dict[str, Any] | None:
    """The next event of this type; None if it does not come."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                event: dict[str, Any] = json.loads(await client.recv())
                if event["type"] == kind:
                    return event
    return None
