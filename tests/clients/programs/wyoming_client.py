"""Home Assistant's part, with the Wyoming package's own client: what is offered, the words of a file, and speech.

`python wyoming_client.py URI RECORDING.wav TEXT` prints one JSON object; the speech goes to RECORDING.spoken.wav.
"""

import asyncio
import json
import sys
import wave
from pathlib import Path

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop, wav_to_chunks
from wyoming.client import AsyncClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeVoice

CHUNK_SAMPLES = 1024


async def answer(client: AsyncClient) -> Event:
    event = await client.read_event()
    assert event is not None, "the bridge hung up"
    return event


async def described(uri: str) -> Info:
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(Describe().event())
        return Info.from_event(await answer(client))


async def transcribed(uri: str, path: Path) -> str:
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(Transcribe(language="en").event())
        with wave.open(str(path)) as recording:
            for chunk in wav_to_chunks(recording, CHUNK_SAMPLES, start_event=True, stop_event=True):
                await client.write_event(chunk.event())
        return Transcript.from_event(await answer(client)).text


async def spoken(uri: str, text: str, voice: str | None, path: Path) -> list[str]:
    """The types of the events, each once; the sound goes into a file."""
    types = []
    async with AsyncClient.from_uri(uri) as client:
        wanted = None if voice is None else SynthesizeVoice(name=voice)
        await client.write_event(Synthesize(text, voice=wanted).event())
        with wave.open(str(path), "wb") as file:
            while not types or (not AudioStop.is_type(types[-1]) and types[-1] != "error"):
                event = await answer(client)
                if event.type not in types:
                    types.append(event.type)
                if AudioStart.is_type(event.type):
                    start = AudioStart.from_event(event)
                    file.setframerate(start.rate)
                    file.setsampwidth(start.width)
                    file.setnchannels(start.channels)
                elif AudioChunk.is_type(event.type):
                    file.writeframes(AudioChunk.from_event(event).audio)
                elif event.type == "error":
                    file.setparams((1, 2, 24_000, 0, "NONE", "NONE"))
    return types


async def main(uri: str, recording: Path, text: str) -> None:
    info = await described(uri)
    voices = [voice.name for program in info.tts for voice in program.voices]
    facts = {
        "recognizers": [model.name for program in info.asr for model in program.models],
        "voices": voices,
        "heard": [await transcribed(uri, recording) for _ in range(2)],
        "usual": await spoken(uri, text, None, recording.with_suffix(".usual.wav")),
        "chosen": await spoken(uri, text, voices[-1], recording.with_suffix(".chosen.wav")),
        "unknown": await spoken(uri, text, "nobody", recording.with_suffix(".unknown.wav")),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
