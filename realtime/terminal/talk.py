"""`antiphon talk`: a conversation at this machine's microphone and speaker."""

import asyncio
import statistics

import numpy as np
from rich.console import Console

from audio.pcm import Pcm
from realtime.protocol.audio_format import WIRE_RATE
from realtime.terminal.captions import Captions
from realtime.terminal.client import Connection, transcribed_session
from realtime.terminal.echo_guard import EchoGuard
from realtime.terminal.sound_card import SoundCard, hushed
from realtime.terminal.speaker import SpeakerOutput
from realtime.terminal.talk_view import Frame, Meter, View, view_on

_FRAMES_PER_S = 12
_QUEUE_BLOCKS = 100
"""Two seconds of audio that the server may fall behind. Blocks beyond that are dropped."""
_DEAF_SAMPLES = 5 * WIRE_RATE
_DEAF = (
    "The microphone delivers only silence. Is it muted? On macOS the terminal needs permission to use it: "
    "System Settings, Privacy & Security, Microphone."
)


async def talk(
    connection: Connection,
    server: str,
    microphone: str | None,
    speaker: str | None,
    guard: EchoGuard,
    console: Console,
) -> None:
    """Carry audio both ways until cancelled, and show the captions.

    `server`: what the user sees of the server. `microphone` and `speaker` are device numbers or names. Raises
    `NoSoundDevice` if they cannot be used at the start, and `ConnectionFailed`.
    """
    source = SpeakerOutput()
    call = _Call(connection, Captions(source), guard)
    card = SoundCard(microphone, speaker, source, call)
    with hushed():
        card.open()
        try:
            call.captions.set_input_latency(card.input_latency_s)
            call.captions.note(f"Server: {server}")
            call.captions.note(f"Microphone: {card.names['microphone']}. Speaker: {card.names['speaker']}.")
            call.captions.note(guard.advice)
            with view_on(console) as view:
                await call.hold(card, view)
        finally:
            card.close()


class _Call:
    """Connects a session, the sound card, the captions and the view."""

    def __init__(self, connection: Connection, captions: Captions, guard: EchoGuard) -> None:
        self.captions = captions
        self._connection = connection
        self._guard = guard
        self._to_send: asyncio.Queue[Pcm] = asyncio.Queue(_QUEUE_BLOCKS)
        self._you, self._agent = Meter(), Meter()
        self._deaf: int | None = 0
        """Samples of digital silence since the start; None once the microphone has recorded anything else."""

    async def hold(self, card: SoundCard, view: View) -> None:
        """Run until cancelled. The view then has all captions."""
        await self._connection.send(transcribed_session())
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
        self._check_microphone(pcm)
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
            view.show(Frame(captions.floor, self._you.read(), self._agent.read(), took, captions.lines))
            await asyncio.sleep(1 / _FRAMES_PER_S)

    def _check_microphone(self, pcm: Pcm) -> None:
        if self._deaf is None:
            return
        self._deaf += len(pcm)
        if np.any(pcm):
            self._deaf = None
        elif self._deaf > _DEAF_SAMPLES:
            self._deaf = None
            self.captions.note(_DEAF)
