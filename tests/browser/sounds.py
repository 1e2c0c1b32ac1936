"""Records the documents' sound files from real conversations in the page: python -m tests.browser.sounds FOLDER."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from audio.pcm import Pcm, silence
from bench.callers.browser import RATE, Call, Sides, chromium, open_page
from tests.browser.driving import recording, started

ANSWERS = "document.querySelectorAll('li.agent.finished').length >= {}"
WORDS_PLAYED = "document.querySelectorAll('li.agent.speaking .played').length > {}"

FILE_RATE = 24_000
COMPRESSION = 0.96
"""Of libsndfile, 0 to 1: about 16 kbit/s a channel."""
BETWEEN_TURNS_S = 0.5
SPEECH = 0.03
"""Amplitude of the corpus's speech, and not of what its voices leave behind."""
AUDIBLE = 0.01
MARGIN_S = 0.4
PAN = 0.75
"""The user's share of the left channel, and the agent's of the right one."""


async def questions(call: Call) -> None:
    """Two questions, the second after the first answer has been played."""
    for asked, name in enumerate(("turn_12", "turn_05"), 1):
        await call.say(spoken(name))
        await call.until(ANSWERS.format(asked))
        await asyncio.sleep(BETWEEN_TURNS_S)


async def barge_in(call: Call) -> None:
    """An answer that carries on after a "mm-hmm", and gives way to another question."""
    await call.say(spoken("turn_06"))
    await call.until(WORDS_PLAYED.format(4))
    await call.say(spoken("backch_01"))
    await call.until(WORDS_PLAYED.format(12))
    await call.say(np.concatenate((spoken("barge_02"), spoken("turn_12"))))
    await call.until(ANSWERS.format(1))


def spoken(name: str) -> Pcm:
    """A recording at `RATE`, cut to a tenth of a second around its speech: some end in the hiss of a voice."""
    pcm = recording(name)
    (loud,) = np.nonzero(np.abs(pcm) > SPEECH)
    return pcm[max(loud[0] - RATE // 10, 0) : loud[-1] + RATE // 10]


CONVERSATIONS: dict[str, Callable[[Call], Awaitable[None]]] = {"questions": questions, "barge-in": barge_in}


def write(path: Path, sides: Sides) -> None:
    """Both sides as a stereo file: the user to the left, the agent to the right, silence around them cut."""
    length = min(len(sides.microphone), len(sides.loudspeaker))
    user, agent = sides.microphone[:length], sides.loudspeaker[:length]
    left, right = PAN * user + (1 - PAN) * agent, (1 - PAN) * user + PAN * agent
    (audible,) = np.nonzero(np.maximum(np.abs(left), np.abs(right)) > AUDIBLE)
    margin = round(MARGIN_S * RATE)
    stereo = np.stack((left, right), axis=1)[max(audible[0] - margin, 0) : audible[-1] + margin]
    resampled = np.clip(soxr.resample(stereo, RATE, FILE_RATE), -1, 1)
    soundfile.write(path, resampled, FILE_RATE, format="OGG", subtype="OPUS", compression_level=COMPRESSION)


async def record(folder: Path) -> None:
    """Hold each conversation in a call of its own and write it to `folder`, which exists."""
    with started() as (url, _):
        async with chromium(silence(RATE)) as browser:
            for name, conversation in CONVERSATIONS.items():
                call = await open_page(browser, url, {"connection": "webrtc"}, scripted=True)
                await call.start()
                await conversation(call)
                await call.hang_up()
                write(folder / f"{name}.ogg", await call.sides())
                await call.page.context.close()


if __name__ == "__main__":
    asyncio.run(record(Path(sys.argv[1])))
