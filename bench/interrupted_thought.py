"""How soon both streams of a mind have ended when somebody breaks in while it thinks, at the embedded server itself."""

import argparse
import asyncio
import time
from collections.abc import Sequence
from random import Random
from typing import Any

from rich.console import Console

from bench.report import number, percentile
from pipeline.agent import Agent
from pipeline.commands import AddItem, Cancel, Respond, SessionSettings
from pipeline.decoders.llama import Llama
from pipeline.engine import Engine
from pipeline.events import Event, OutputAudio, Thoughts
from pipeline.items import Message
from pipeline.settings import AgentSettings, DecoderSettings
from realtime.serve import first_settings, loaded
from realtime.settings import Settings

_QUESTION = "How do I learn the piano, the violin and the guitar, and which of them first?"
_PATIENCE_S = 60
_LATEST_S = 1.5
"""Into the thoughts, at the most."""


class _Listener:
    """Notes what began."""

    follows = True

    def __init__(self) -> None:
        self.thinks, self.speaks = asyncio.Event(), asyncio.Event()

    def emit(self, event: Event) -> None:
        if isinstance(event, Thoughts):
            self.thinks.set()
        if isinstance(event, OutputAudio):
            self.speaks.set()

    def played(self, response_id: str) -> int | None:
        return 0

    async def ready(self) -> None:
        pass


async def measure(times: int) -> list[float]:
    """Milliseconds from the cancellation until no slot of the server works any more, each time."""
    settings = Settings(
        decoder=DecoderSettings(thoughts="qwen3", max_tokens=300),
        agent=AgentSettings(instructions="Be brief.", thinking="speak_first", streams=2, thought_budget=1000),
    )
    async with loaded(settings) as engine:
        assert isinstance(engine.decoder, Llama)
        random, session = Random(0), first_settings(engine, settings)
        moments = [random.uniform(0, _LATEST_S) for _ in range(times)]
        return [1e3 * await _interrupted(engine, engine.decoder, session, after_s) for after_s in moments]


async def _interrupted(engine: Engine, decoder: Llama, session: SessionSettings, after_s: float) -> float:
    listener = _Listener()
    agent = Agent(engine, session, listener)
    running = asyncio.create_task(agent.run())
    try:
        await agent.do(AddItem(Message("question", "user", _QUESTION)))
        await agent.do(Respond())
        async with asyncio.timeout(_PATIENCE_S):
            await listener.thinks.wait()
            await listener.speaks.wait()
        await asyncio.sleep(after_s)
        began = time.perf_counter()
        await agent.do(Cancel())
        while await _works(decoder):
            pass
        return time.perf_counter() - began
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _works(decoder: Llama) -> bool:
    slots: Any = await decoder.call("GET", "/slots")
    return any(slot["is_processing"] for slot in slots)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.interrupted_thought", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="that it is interrupted")
    took = asyncio.run(measure(parser.parse_args(arguments).times))
    found = {"p50": percentile(took, 50), "p90": percentile(took, 90), "most": max(took)}
    Console().print("both streams had ended after", ", ".join(f"{name} {number(ms)} ms" for name, ms in found.items()))


if __name__ == "__main__":
    main()
