"""Commands on their way to an agent, in order. When it is full, the sender waits: that slows the client down."""

import asyncio
from collections import deque

import numpy as np

from pipeline.audio import INPUT_RATE
from pipeline.commands import AddItem, Audio, Command

_MAX_COMMANDS = 256
_MAX_SAMPLES = 30 * INPUT_RATE
_JOINED_SAMPLES = INPUT_RATE // 2
"""Audio that waits is taken in pieces of about this size, so that catching up costs little."""


class Inbox:
    """For one reader and any number of writers."""

    def __init__(self) -> None:
        self._commands: deque[Command] = deque()
        self._samples = 0
        self._changed = asyncio.Condition()

    async def put(self, command: Command) -> None:
        """Add to the end, when there is room. One command always fits, however long its audio is."""
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            self._commands.append(command)
            self._samples += _samples(command)
            self._changed.notify_all()

    async def get(self) -> Command:
        """Take the next command; audio that waits in a row comes as one piece."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._commands))
            command = self._take()
            if isinstance(command, Audio):
                command = self._join(command)
            self._changed.notify_all()
            return command

    def _join(self, audio: Audio) -> Audio:
        blocks, samples = [audio.pcm], len(audio.pcm)
        while self._commands and isinstance(following := self._commands[0], Audio) and samples < _JOINED_SAMPLES:
            self._take()
            blocks.append(following.pcm)
            samples += len(following.pcm)
        return audio if len(blocks) == 1 else Audio(np.concatenate(blocks))

    def _take(self) -> Command:
        command = self._commands.popleft()
        self._samples -= _samples(command)
        return command

    def _has_room(self) -> bool:
        return len(self._commands) < _MAX_COMMANDS and self._samples < _MAX_SAMPLES


def _samples(command: Command) -> int:
    match command:
        case Audio():
            return len(command.pcm)
        case AddItem(audio=clip) if clip is not None:
            return len(clip)
        case _:
            return 0
