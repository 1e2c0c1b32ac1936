"""examples/twilio_bridge.py between `antiphon serve` and a stand-in for Twilio."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from audio.pcm import Pcm
from tests.examples.running import EXAMPLES
from tests.examples.twilio import RATE, StandInForTwilio, call
from tests.support.speech import recordings


@asynccontextmanager
async def bridge(server: str) -> AsyncIterator[str]:
    """The bridge's URL."""
    program = str(EXAMPLES / "twilio_bridge.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, "--url", f"{server}/v1", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().split()[-1]
    finally:
        process.terminate()
        printed, _ = await process.communicate()
    assert printed.decode() == "", "the agent reported an error"


def spoken_s(frames: list[Pcm]) -> float:
    """Seconds of audible frames."""
    return sum(float(np.abs(frame).max()) > 0.02 for frame in frames) / 50


async def test_a_caller_is_answered_and_can_break_in(storyteller: str) -> None:
    async with bridge(storyteller) as url, call(url) as twilio:
        await ask(twilio)
        assert twilio.cleared == 0
        twilio.say(recordings()["turn_02"].pcm(RATE))
        await twilio.until(lambda: twilio.cleared == 1)
        after = len(twilio.heard)
        await twilio.until(lambda: len(twilio.heard) > after + 10)
        assert spoken_s(twilio.heard[after + 1 : after + 10]) == 0
        await twilio.until(lambda: spoken_s(twilio.heard[after:]) > 0.5)


async def ask(twilio: StandInForTwilio) -> None:
    """Ask something, and listen to the answer for a while."""
    twilio.say(recordings()["turn_06"].pcm(RATE))
    await twilio.until(lambda: spoken_s(twilio.heard) > 1.5)
