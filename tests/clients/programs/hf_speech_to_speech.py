"""Hugging Face speech-to-speech: the client of its command `talk`, with a sound card that is a stand-in.

The stand-in replaces the package `sounddevice` alone; recording, playback, tools and events are the client's own code.
"""

import asyncio
import sys
import threading
from types import ModuleType
from typing import Any

from walk import RATE, Client, main

SOUND_CARD = ModuleType("sounddevice")
"""A stand-in for the sound card."""


class InputStream:
    """Hands the client what `Client.send_audio` was given."""

    def __init__(self, *, callback: Any, blocksize: int, **_: Any) -> None:
        self._callback, self._size = callback, blocksize * 2
        self._waiting = bytearray()
        CLIENTS[-1].microphone = self.push

    def push(self, pcm16: bytes) -> None:
        self._waiting += pcm16
        while len(self._waiting) >= self._size:
            self._callback(bytes(self._waiting[: self._size]), self._size // 2, None, None)
            del self._waiting[: self._size]

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class OutputStream:
    """Asks the client for a block of audio whenever one has been played."""

    def __init__(self, *, callback: Any, blocksize: int, samplerate: int, **_: Any) -> None:
        self._callback, self._size, self._rate = callback, blocksize, samplerate
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def _play(self) -> None:
        while not self._stopping.wait(self._size / self._rate):
            self._callback(memoryview(bytearray(self._size * 2)), self._size, None, None)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def close(self) -> None:
        self._thread.join()


SOUND_CARD.RawInputStream, SOUND_CARD.RawOutputStream = InputStream, OutputStream  # type: ignore[attr-defined]
sys.modules["sounddevice"] = SOUND_CARD

from speech_to_speech.api.openai_realtime import audio_client as theirs  # noqa: E402 - after the sound card

TOOL = {
    "type": "function",
    "name": "lookup",
    "description": "Looks something up.",
    "parameters": {"type": "object", "properties": {"place": {"enum": ["museum", "library"]}}, "required": ["place"]},
}
CLIENTS: "list[SpeechToSpeech]" = []


class SpeechToSpeech(Client):
    """The client has no way to type or to cancel: what it cannot do goes by the connection that it opened."""

    transcribes = False

    def __init__(self) -> None:
        super().__init__()
        CLIENTS.append(self)
        self.microphone: Any = None

    async def connect(self, url: str) -> None:
        self._stop = threading.Event()
        self._ready = asyncio.Event()
        config = theirs.RealtimeAudioClientConfig(
            url=f"{url}/v1/realtime",
            send_rate=RATE,
            recv_rate=RATE,
            instructions="Answer in one short sentence.",
            tools=[TOOL],
            tool_executor=self._look_up,
        )
        self._running = asyncio.create_task(theirs.listen_and_play_realtime(config, stop_event=self._stop))
        await self._ready.wait()

    async def send_audio(self, pcm16: bytes) -> None:
        self.microphone(pcm16)

    async def type(self, text: str) -> None:
        await self._message(text)
        await self.connection.send({"type": "response.create"})

    async def ask_for_tool(self, text: str) -> None:
        await self._message(text)
        choice = {"type": "function", "name": "lookup"}
        await self.connection.send({"type": "response.create", "response": {"tool_choice": choice}})

    async def cancel(self) -> None:
        await self.connection.send({"type": "response.cancel"})

    async def close(self) -> None:
        self._stop.set()
        await self._running

    async def _message(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.connection.send({"type": "conversation.item.create", "item": item})

    async def _look_up(self, name: str, arguments: dict[str, Any]) -> str:
        self.seen.tools.append(arguments)
        return "Open from nine to five."

    def event(self, event: Any) -> None:
        match event.type:
            case "session.updated":
                self._ready.set()
            case "response.output_audio_transcript.delta":
                self.seen.words(event.delta)
            case "response.done":
                self.seen.end_answer(cut=event.response.status == "cancelled")
            case "conversation.item.input_audio_transcription.completed":
                self.seen.heard.append(event.transcript)
                self.seen.notify()
            case "conversation.item.truncated":
                self.seen.truncations += 1
            case "error":
                self.seen.errors.append(event.error.message)


class Playback(theirs.PlaybackBuffer):
    """The client's own, watched."""

    def append(self, audio: bytes) -> None:
        super().append(audio)
        CLIENTS[-1].seen.sound(audio)

    def clear(self) -> None:
        super().clear()
        CLIENTS[-1].seen.interrupt()


class Coordinator(theirs._ToolCallCoordinator):
    """The client's own, watched: every event reaches it first."""

    def __init__(self, conn: Any, config: Any) -> None:
        super().__init__(conn, config)
        CLIENTS[-1].connection = conn

    def handle_event(self, event: Any) -> None:
        super().handle_event(event)
        CLIENTS[-1].event(event)


theirs.PlaybackBuffer, theirs._ToolCallCoordinator = Playback, Coordinator  # type: ignore[misc]

if __name__ == "__main__":
    main(SpeechToSpeech)
