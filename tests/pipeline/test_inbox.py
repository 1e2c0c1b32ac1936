import asyncio

import numpy as np

from pipeline.commands import Audio, Clear, Commit
from pipeline.inbox import Inbox


def audio(samples: int) -> Audio:
    return Audio(np.ones(samples, dtype=np.float32))


async def test_audio_in_a_row_comes_as_one_piece_and_nothing_changes_places() -> None:
    inbox = Inbox()
    for command in (audio(100), audio(200), Commit(), audio(300), Clear()):
        await inbox.put(command)
    first = await inbox.get()
    assert isinstance(first, Audio)
    assert len(first.pcm) == 300
    assert isinstance(await inbox.get(), Commit)
    third = await inbox.get()
    assert isinstance(third, Audio)
    assert len(third.pcm) == 300
    assert isinstance(await inbox.get(), Clear)


async def test_who_sends_faster_than_is_read_waits() -> None:
    inbox = Inbox()
    sent = 0

    async def send() -> None:
        nonlocal sent
        for _ in range(100):
            await inbox.put(audio(16_000))
            sent += 1

    sender = asyncio.create_task(send())
    for _ in range(200):
        await asyncio.sleep(0)
    assert sent == 30
    read = 0
    while read < 100 * 16_000:
        command = await inbox.get()
        assert isinstance(command, Audio)
        read += len(command.pcm)
    await sender
