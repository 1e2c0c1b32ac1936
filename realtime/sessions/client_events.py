"""Client events and audio carried out, whatever carries them."""

import asyncio
from collections.abc import Callable
from time import thread_time

from audio.pcm import INPUT_RATE
from pipeline.commands import AddItem, Audio, Command, Commit, Respond, Update
from realtime.limits.pace import Pace
from realtime.protocol.session import Session
from realtime.sessions.live_sessions import SessionAgent
from realtime.sessions.outbox import Outbox


class ClientEvents:
    """Passes the events and the audio of one client to its agent, one by one, at the pace of its account.

    A client that sends too fast waits, because nothing more is read meanwhile.
    """

    def __init__(
        self, session: Session, agent: SessionAgent, outbox: Outbox, pace: Pace, before: Callable[[Command], None]
    ) -> None:
        """`before` is called with each command before the agent has it."""
        self._session = session
        self._agent = agent
        self._outbox = outbox
        self._pace = pace
        self._before = before

    async def carry_out(self, message: str) -> None:
        """Carry out one event, a step after the other, between which others may run."""
        loop = asyncio.get_running_loop()
        await _wait(self._pace.event(len(message), loop.time()))
        steps = self._session.steps(message)
        while True:
            began = thread_time()
            step = next(steps, None)
            for event in step.events if step is not None else ():
                self._outbox.put(event)
            self._pace.worked(thread_time() - began, loop.time())
            if step is None:
                return
            for command in step.commands:
                await self.do(command)
            await asyncio.sleep(0)

    async def do(self, command: Command) -> None:
        """Hand over a command, when it is its time."""
        await _wait(self._owed(command, asyncio.get_running_loop().time()))
        self._before(command)
        await self._agent.do(command)

    def _owed(self, command: Command, now: float) -> float:
        match command:
            case Audio():
                return self._pace.audio(len(command.pcm) / INPUT_RATE, now)
            case AddItem(audio=clip) if clip is not None:
                seconds = self._pace.audio(len(clip) / INPUT_RATE, now)
                return max(seconds, self._pace.answer(now))
            case Respond() | Commit() | Update():
                return self._pace.answer(now)
            case _:
                return 0.0


async def _wait(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)
