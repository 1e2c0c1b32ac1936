"""A voice app: microphone, loudspeaker, barge-in and a tool. Needs `pip install openai sounddevice`, and headphones."""

import asyncio
import base64
import os
import threading
from datetime import datetime
from typing import Any

import sounddevice
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

SHOWN = ("session.updated", "response.output_audio_transcript.done", "conversation.item.truncated", "error")
URL = os.environ.get("ANTIPHON_URL", "http://localhost:8000/v1")
SOUND: dict[str, Any] = {"samplerate": 24_000, "channels": 1, "dtype": "int16", "blocksize": 480, "latency": 0.08}
TOOL = {"type": "function", "name": "get_time", "description": "The local time.", "parameters": {"type": "object"}}


class Loudspeaker:
    def __init__(self) -> None:
        self._lock = threading.Lock()  # PortAudio asks for sound in a thread of its own
        self._waiting, self._item_id, self._cut = bytearray(), "", ""
        self._played = 0  # bytes of the newest answer; negative while the one before it is played

    def add(self, item_id: str, audio: bytes) -> None:
        with self._lock:
            if item_id != self._item_id:
                self._item_id, self._played = item_id, -len(self._waiting)
            self._waiting += audio if item_id != self._cut else b""

    def play(self, block: Any, *_: object) -> None:  # noqa: ANN401 - a buffer in C
        with self._lock:
            sound, self._waiting = self._waiting[: len(block)], self._waiting[len(block) :]
            self._played += len(sound)
        block[:] = sound.ljust(len(block), b"\0")

    def stop(self) -> tuple[str, int] | None:
        """The answer that is cut, and how many ms of it were played; None if nothing was left to play."""
        with self._lock:
            if not self._waiting:
                return None
            self._waiting, self._cut = bytearray(), self._item_id
            return self._item_id, max(0, self._played) // 48


async def receive(connection: AsyncRealtimeConnection, loudspeaker: Loudspeaker) -> None:
    async for event in connection:
        if event.type == "response.output_audio.delta":
            loudspeaker.add(event.item_id, base64.b64decode(event.delta))
        elif event.type == "input_audio_buffer.speech_started" and (cut := loudspeaker.stop()):
            await connection.conversation.item.truncate(item_id=cut[0], content_index=0, audio_end_ms=cut[1])
        elif event.type == "response.function_call_arguments.done":
            now = f"{datetime.now():%H:%M}"
            result: Any = {"type": "function_call_output", "call_id": event.call_id, "output": now}
            await connection.conversation.item.create(item=result)
        elif event.type == "response.done" and "function_call" in [item.type for item in event.response.output or []]:
            await connection.response.create()
        elif event.type in SHOWN:
            print(event.to_json(indent=None), flush=True)


async def main() -> None:
    microphone: asyncio.Queue[bytes] = asyncio.Queue()
    loudspeaker, loop = Loudspeaker(), asyncio.get_running_loop()

    def record(block: Any, *_: object) -> None:  # noqa: ANN401 - a buffer in C
        loop.call_soon_threadsafe(microphone.put_nowait, bytes(block))

    async with AsyncOpenAI(base_url=URL, api_key="none").realtime.connect(model="antiphon") as connection:
        await connection.session.update(session={"type": "realtime", "tools": [TOOL]})  # type: ignore[list-item]
        receiving = asyncio.create_task(receive(connection, loudspeaker))
        player = sounddevice.RawOutputStream(callback=loudspeaker.play, **SOUND)
        with sounddevice.RawInputStream(callback=record, **SOUND), player:
            while not receiving.done():
                await connection.input_audio_buffer.append(audio=base64.b64encode(await microphone.get()).decode())


asyncio.run(main())
