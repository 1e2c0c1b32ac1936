"""How soon the thinking and the speaking stream end at the embedded server after an interruption."""

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
from pipeline.conversation.items import Message
from pipeline.decoders.llama_cpp.llama import LlamaDecoder
from pipeline.engine import Engine
from pipeline.events import Event, OutputAudio, Thoughts
from pipeline.profiles import PROFILES
from pipeline.settings import AgentSettings, DecoderSettings
from realtime.serve import first_settings, loaded
from realtime.settings import Settings

_QUESTION = "How do I learn the piano, the violin and the guitar, and which of them first?"
_PATIENCE_S = 60
_LATEST_S = 1.5
"""Latest interruption, in seconds after thinking and speaking began."""


class _Listener:
    """A listener that notes when thinking and speaking begin."""

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
    """Milliseconds from the cancellation until no slot of the server is working, for each of `times` attempts."""
    settings = Settings(
        profile="tiny",
        decoder=DecoderSettings(
            model=PROFILES["tiny"].decoder, context_tokens=2048, slots=4, threads=1, thoughts="qwen3", max_tokens=300
        ),
        agent=AgentSettings(
            instructions="Be brief.", thinking="speak_first", think_about="everything", streams=2, thought_budget=1000
        ),
    )
    async with loaded(settings) as engine:
        assert isinstance(engine.decoder, LlamaDecoder)
        random, session = Random(0), first_settings(engine, settings)
        moments = [random.uniform(0, _LATEST_S) for _ in range(times)]
        return [1e3 * await _interrupted(engine, engine.decoder, session, after_s) for after_s in moments]


async def _interrupted(engine: Engine, decoder: LlamaDecoder, session: SessionSettings, after_s: float) -> float:
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


async def _works(decoder: LlamaDecoder) -> bool:
    slots: Any = await decoder.server.call("GET", "/slots")
    return any(slot["is_processing"] for slot in slots)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.conversations.interrupted_thought", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="number of interruptions")
    took = asyncio.run(measure(parser.parse_args(arguments).times))
    found = {"p50": percentile(took, 50), "p90": percentile(took, 90), "most": max(took)}
    Console().print("both streams had ended after", ", ".join(f"{name} {number(ms)} ms" for name, ms in found.items()))


if __name__ == "__main__":
    main()
