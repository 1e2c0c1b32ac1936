"""A spoken conversation of two turns, in which the agent may call a tool.

    antiphon serve
    antiphon say "What time is it, please?" --out first.wav
    antiphon say "Thank you. And what is the capital of France?" --out second.wav
    python examples/conversation.py first.wav second.wav

It needs nothing of Antiphon but the address: `pip install openai soundfile soxr`. The answers are saved as answer-1.wav
and answer-2.wav.
"""

import argparse
import asyncio
import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

RATE = 24_000
"""Hz of 16-bit mono audio in both directions."""

TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_time",
    "description": "The local time.",
    "parameters": {"type": "object", "properties": {}},
}


def get_time() -> str:
    """The tool: what it returns becomes part of the answer."""
    return json.dumps({"time": datetime.now().strftime("%H:%M")})


def read_speech(path: Path) -> bytes:
    """The file's audio as the protocol takes it, whatever its rate and its channels."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    resampled = soxr.resample(samples.mean(axis=1), rate, RATE)
    return bytes((np.clip(resampled, -1, 1) * 32_767).astype("<i2"))


async def take_turn(connection: AsyncRealtimeConnection, speech: bytes) -> bytes:
    """Say `speech`, print what was said on both sides, and return the answer's audio."""
    await connection.input_audio_buffer.append(audio=base64.b64encode(speech).decode())
    await connection.input_audio_buffer.commit()
    await connection.response.create()
    answer = bytearray()
    async for event in connection:
        if event.type == "conversation.item.input_audio_transcription.completed":
            print(f"You:   {event.transcript}")
        elif event.type == "response.output_audio.delta":
            answer += base64.b64decode(event.delta)
        elif event.type == "response.output_audio_transcript.done":
            print(f"Agent: {event.transcript}")
        elif event.type == "error":
            raise RuntimeError(event.error.message)
        elif event.type == "response.done":
            if event.response.status == "failed":
                raise RuntimeError(f"the answer failed: {event.response.status_details}")
            calls = [item for item in event.response.output or [] if item.type == "function_call"]
            if not calls:
                return bytes(answer)
            for call in calls:
                print(f"       ({call.name} was called)")
                result = {"type": "function_call_output", "call_id": call.call_id, "output": get_time()}
                await connection.conversation.item.create(item=result)  # type: ignore[arg-type]
            await connection.response.create()  # the answer that makes use of the result
    raise RuntimeError("the server closed the connection")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="+", type=Path, metavar="QUESTION.wav")
    parser.add_argument("--url", default="http://localhost:8000/v1", help="default: %(default)s")
    parser.add_argument("--key", default="none", help="the server's API key, if it has one")
    options = parser.parse_args()
    client = AsyncOpenAI(base_url=options.url, api_key=options.key)
    async with client.realtime.connect(model="antiphon") as connection:
        audio = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
        session = {"type": "realtime", "audio": audio, "tools": [TOOL]}
        await connection.session.update(session=session)  # type: ignore[arg-type]
        for number, path in enumerate(options.questions, start=1):
            answer = await take_turn(connection, read_speech(path))
            soundfile.write(f"answer-{number}.wav", np.frombuffer(answer, "<i2"), RATE)


if __name__ == "__main__":
    asyncio.run(main())
