"""`antiphon talk`: a conversation at this machine's microphone and speaker."""

import asyncio
import statistics

import numpy as np
from rich.console import Console

from realtime.captions import Captions
from realtime.client import WIRE_RATE, Connection
from realtime.echo import EchoGuard
from realtime.microphone import SoundCard, hushed
from realtime.speaker import Speaker
from realtime.talk_view import Look, Meter, View, view_on
from tts.synthesizer import Pcm

_LOOKS_A_SECOND = 12
_QUEUE_BLOCKS = 100
"""Two seconds for the server; when it is further behind, the newest is lost."""
_DEAF_SAMPLES = 5 * WIRE_RATE
_DEAF = (
    "The microphone gives nothing but silence. Is it muted? On macOS the terminal needs leave to use it: "
    "System Settings, Privacy & Security, Microphone."
)


async def talk(
    connection: Connection, microphone: str | None, speaker: str | None, guard: EchoGuard, console: Console
) -> None:
    """Carry sound both ways until cancelled, and show what is heard and said.

    The devices by number or name. Raises `NoSoundDevice` if they can't be used at the start, and `ConnectionFailed`.
    """
    source = Speaker()
    call = _Call(connection, Captions(source), guard)
    card = SoundCard(microphone, speaker, source, call)
    with hushed():
        card.open()
        try:
            call.captions.input_latency_s = card.input_latency_s
            call.captions.note(guard.advice)
            with view_on(console) as view:
                await call.hold(card, view)
        finally:
            card.close()


class _Call:
    """Carries things between a connection, the sound card, the captions and the view."""

    def __init__(self, connection: Connection, captions: Captions, guard: EchoGuard) -> None:
        self.captions = captions
        self._connection = connection
        self._guard = guard
        self._to_send: asyncio.Queue[Pcm] = asyncio.Queue(_QUEUE_BLOCKS)
        self._you, self._agent = Meter(), Meter()
        self._deaf: int | None = 0
        """Samples of utter silence, with which the microphone began; None: it hears."""

    async def hold(self, card: SoundCard, view: View) -> None:
        """Until cancelled; then the view has all that was said."""
        transcription = {"type": "realtime", "audio": {"input": {"transcription": {"model": "antiphon"}}}}
        await self._connection.send({"type": "session.update", "session": transcription})
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send())
                tasks.create_task(self._receive())
                tasks.create_task(self._show(view))
                tasks.create_task(card.keep_open(self.captions.note))
        finally:
            self.captions.cut()
            view.print(self.captions.take_final())
            if took := self.captions.voice_to_voice_s:
                self.captions.note(f"It answered after {statistics.median(took):.2f} s (median of {len(took)}).")
                view.print(self.captions.take_final())

    def played(self, pcm: Pcm) -> None:
        self._guard.played(pcm)
        self._agent.push(pcm)

    def recorded(self, pcm: Pcm) -> None:
        self._listen_for_anything(pcm)
        pcm = self._guard.recorded(pcm)
        self._you.push(pcm)
        if len(pcm) and not self._to_send.full():
            self._to_send.put_nowait(pcm)

    async def _send(self) -> None:
        while True:
            await self._connection.send_audio(await self._to_send.get())

    async def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            event = await self._connection.receive()
            for answer in self.captions.receive(event, loop.time()):
                await self._connection.send(answer)

    async def _show(self, view: View) -> None:
        captions = self.captions
        while True:
            captions.advance()
            view.print(captions.take_final())
            took = captions.voice_to_voice_s[-1] if captions.voice_to_voice_s else None
            view.show(Look(captions.floor, self._you.look(), self._agent.look(), took, captions.lines))
            await asyncio.sleep(1 / _LOOKS_A_SECOND)

    def _listen_for_anything(self, pcm: Pcm) -> None:
        if self._deaf is None:
            return
        self._deaf += len(pcm)
        if np.any(pcm):
            self._deaf = None
        elif self._deaf > _DEAF_SAMPLES:
            self._deaf = None
            self.captions.note(_DEAF)
