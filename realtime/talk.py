"""`antiphon talk`: a conversation at this machine's microphone and speaker."""

import asyncio
import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from pipeline.audio import silence
from pipeline.errors import PlainError
from realtime.client import WIRE_RATE, Connection, audio_of
from tts.synthesizer import Pcm

if TYPE_CHECKING:
    import sounddevice

_BLOCK_SAMPLES = WIRE_RATE // 50


class NoSoundDevice(PlainError):
    """There is no microphone or no speaker; the message says what is missing and what to do."""


def check_sound() -> None:
    """Raises `NoSoundDevice` unless this machine can record and play."""
    sound = _sounddevice()
    missing = []
    for kind, name in (("input", "microphone"), ("output", "speaker")):
        try:
            sound.query_devices(kind=kind)
        except (sound.PortAudioError, ValueError):
            missing.append(name)
    if missing:
        raise NoSoundDevice(
            f"this machine has no {' and no '.join(missing)} that PortAudio can use: connect one, or start a sound "
            "server (PulseAudio or PipeWire), or ask with a file: antiphon ask QUESTION.wav"
        )


async def talk(connection: Connection, console: Console) -> None:
    """Carry sound both ways until cancelled, and print what is heard and said."""
    sound = _sounddevice()
    loop = asyncio.get_running_loop()
    microphone: asyncio.Queue[Pcm] = asyncio.Queue(maxsize=100)  # two seconds; when it is full the newest is lost
    speaker = Speaker()

    def record(block: NDArray[np.float32], frames: int, time: object, status: object) -> None:
        loop.call_soon_threadsafe(_put, microphone, block[:, 0].copy())

    def play(block: NDArray[np.float32], frames: int, time: object, status: object) -> None:
        block[:, 0] = speaker.take(frames)

    format_ = {"samplerate": WIRE_RATE, "blocksize": _BLOCK_SAMPLES, "channels": 1, "dtype": "float32"}
    transcription = {"type": "realtime", "audio": {"input": {"transcription": {"model": "antiphon"}}}}
    await connection.send({"type": "session.update", "session": transcription})
    try:
        with sound.InputStream(callback=record, **format_), sound.OutputStream(callback=play, **format_):
            console.print(
                "Speak. Use headphones: it stops when it hears a voice, its own too. Ctrl-C ends.", style="dim"
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_send(connection, microphone))
                tasks.create_task(_receive(connection, speaker, console))
    except sound.PortAudioError as error:
        raise NoSoundDevice(f"the sound device can't be used: {error}") from error


class Speaker:
    """What is still to be played, and how much of the answer that is playing has been. Used from two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = silence(0)
        self._item: str | None = None
        self._played = 0

    def add(self, item_id: str, pcm: Pcm) -> None:
        with self._lock:
            if item_id != self._item:
                self._item, self._played = item_id, 0
            self._waiting = np.concatenate((self._waiting, pcm))

    def take(self, samples: int) -> Pcm:
        """The next `samples` samples, with silence where there are none."""
        with self._lock:
            block, self._waiting = self._waiting[:samples], self._waiting[samples:]
            self._played += len(block)
            return np.pad(block, (0, samples - len(block)))

    def stop(self) -> tuple[str, float] | None:
        """Fall silent. Gives the item that was cut short and the seconds of it that were played."""
        with self._lock:
            cut = bool(len(self._waiting))
            self._waiting = silence(0)
            return (self._item, self._played / WIRE_RATE) if cut and self._item is not None else None


async def _send(connection: Connection, microphone: asyncio.Queue[Pcm]) -> None:
    while True:
        await connection.send_audio(await microphone.get())


async def _receive(connection: Connection, speaker: Speaker, console: Console) -> None:
    while True:
        event = await connection.receive()
        match event["type"]:
            case "input_audio_buffer.speech_started":
                if (cut := speaker.stop()) is not None:
                    item_id, played_s = cut
                    await connection.send(
                        {
                            "type": "conversation.item.truncate",
                            "item_id": item_id,
                            "content_index": 0,
                            "audio_end_ms": round(played_s * 1000),
                        }
                    )
            case "response.output_audio.delta":
                speaker.add(event["item_id"], audio_of(event))
            case "conversation.item.input_audio_transcription.completed":
                console.print(Text.assemble(("You     ", "cyan"), event["transcript"].strip()))
            case "response.output_audio_transcript.done":
                console.print(Text.assemble(("Agent   ", "green"), event["transcript"]))
            case "error":
                console.print(Text(event["error"]["message"], "red"))


def _put(microphone: asyncio.Queue[Pcm], block: Pcm) -> None:
    if not microphone.full():
        microphone.put_nowait(block)


def _sounddevice() -> "sounddevice":
    try:
        import sounddevice
    except OSError as error:
        raise NoSoundDevice(
            "PortAudio is not installed (Debian: apt install libportaudio2); without a microphone: "
            "antiphon ask QUESTION.wav"
        ) from error
    return sounddevice
