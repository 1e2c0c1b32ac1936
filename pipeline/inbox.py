"""Commands on their way to an agent, in order. While the inbox is full, senders wait: that slows a client down."""

import asyncio
from collections import deque

import numpy as np

from audio.pcm import INPUT_RATE
from pipeline.commands import AddItem, Audio, Command, Silence

_MAX_COMMANDS = 256
_MAX_OTHERS = 32
"""Commands other than audio: each may hold as much text as the prompt of one answer."""
_MAX_SAMPLES = 30 * INPUT_RATE
_JOINED_SAMPLES = INPUT_RATE // 2
"""Waiting audio is taken in pieces of about this size, so that catching up costs little."""


class Inbox:
    """A bounded queue of commands, for one reader and any number of writers."""

    def __init__(self) -> None:
        self._commands: deque[Command] = deque()
        self._samples = 0
        self._others = 0
        self._changed = asyncio.Condition()

    async def put(self, command: Command) -> None:
        """Append a command, when there is room. An empty inbox takes any command, however long its audio is."""
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            self._commands.append(command)
            self._samples += _samples(command)
            self._others += _is_other(command)
            self._changed.notify_all()

    async def get(self) -> Command:
        """Take the next command; consecutive audio is joined into one piece."""
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
        self._others -= _is_other(command)
        return command

    def _has_room(self) -> bool:
        return len(self._commands) < _MAX_COMMANDS and self._samples < _MAX_SAMPLES and self._others < _MAX_OTHERS


def _is_other(command: Command) -> bool:
    return not isinstance(command, Audio | Silence)


def _samples(command: Command) -> int:
    match command:
        case Audio():
            return len(command.pcm)
        case AddItem(audio=clip) if clip is not None:
            return len(clip)
        case _:
            return 0
