"""openai-python: `client.realtime.connect`."""

import asyncio
import base64
import json
from contextlib import AsyncExitStack
from typing import Any

from openai import AsyncOpenAI
from walk import Client, main

TOOL = {
    "type": "function",
    "name": "lookup",
    "description": "Looks something up.",
    "parameters": {"type": "object", "properties": {"place": {"enum": ["museum", "library"]}}, "required": ["place"]},
}


class OpenAIPython(Client):
    """The application does what the package's examples do: plays audio, and stops when speech starts."""

    async def connect(self, url: str) -> None:
        self._stack = AsyncExitStack()
        client = await self._stack.enter_async_context(AsyncOpenAI(base_url=f"{url}/v1", api_key="any"))
        self._connection = await self._stack.enter_async_context(client.realtime.connect(model="gpt-realtime-2.1"))
        self._item: str | None = None
        session: Any = {
            "type": "realtime",
            "instructions": "Answer in one short sentence.",
            "include": ["item.input_audio_transcription.logprobs"],
            "tracing": "auto",
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
            "tools": [TOOL],
            "audio": {
                "input": {
                    "noise_reduction": {"type": "near_field"},
                    "transcription": {"model": "gpt-4o-mini-transcribe", "prompt": "A museum.", "language": "en"},
                    "turn_detection": {"type": "server_vad", "interrupt_response": True},
                },
                "output": {"voice": "cedar", "speed": 1.1},
            },
        }
        await self._connection.session.update(session=session)
        ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read(ready))
        await ready.wait()

    async def send_audio(self, pcm16: bytes) -> None:
        await self._connection.input_audio_buffer.append(audio=base64.b64encode(pcm16).decode())

    async def type(self, text: str) -> None:
        await self._message(text)
        await self._connection.response.create()

    async def ask_for_tool(self, text: str) -> None:
        await self._message(text)
        await self._connection.response.create(response={"tool_choice": {"type": "function", "name": "lookup"}})

    async def cancel(self) -> None:
        await self._connection.response.cancel()

    async def close(self) -> None:
        await self._stack.aclose()
        await self._reading

    async def _message(self, text: str) -> None:
        content: Any = [{"type": "input_text", "text": text}]
        await self._connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})

    async def _stop_playback(self) -> None:
        if self.seen.playing and self._item is not None:
            played_ms = round(self.seen.answers[-1].played_s * 1000)
            await self._connection.conversation.item.truncate(
                item_id=self._item, content_index=0, audio_end_ms=played_ms
            )
        self.seen.interrupt()

    async def _read(self, ready: asyncio.Event) -> None:
        seen = self.seen
        async for event in self._connection:
            match event.type:
                case "session.updated":
                    ready.set()
                case "response.output_audio.delta":
                    self._item = event.item_id
                    seen.sound(base64.b64decode(event.delta))
                case "response.output_audio_transcript.delta":
                    seen.words(event.delta)
                case "response.done":
                    seen.end_answer(cut=event.response.status == "cancelled")
                case "conversation.item.input_audio_transcription.completed":
                    seen.heard.append(event.transcript)
                    seen.notify()
                case "input_audio_buffer.speech_started":
                    await self._stop_playback()
                case "conversation.item.truncated":
                    seen.truncations += 1
                case "response.function_call_arguments.done":
                    seen.tools.append(json.loads(event.arguments))
                    output: Any = {
                        "type": "function_call_output",
                        "call_id": event.call_id,
                        "output": "Open from nine to five.",
                    }
                    await self._connection.conversation.item.create(item=output)
                case "error":
                    seen.errors.append(event.error.message)
            if event.type == "response.done" and any(
                item.type == "function_call" for item in event.response.output or ()
            ):
                await self._connection.response.create()


if __name__ == "__main__":
    main(OpenAIPython)
