"""Antiphon's recognizer and voices as Wyoming services, which Home Assistant's voice assistants use.

    antiphon serve
    pip install openai wyoming
    python examples/home_assistant.py --uri tcp://0.0.0.0:10300

In Home Assistant, add the integration "Wyoming Protocol" with this machine's address and port 10300, and choose
Antiphon as the speech-to-text and the text-to-speech of an assistant. Home Assistant reaches the bridge only, so
Antiphon itself stays closed to the network.
"""

import argparse
import asyncio
import io
import json
import urllib.request
import wave
from functools import partial

from openai import AsyncOpenAI, OpenAIError
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info, TtsProgram, TtsVoice
from wyoming.server import AsyncEventHandler, AsyncServer
from wyoming.tts import Synthesize

RATE = 24_000
"""Hz of the 16-bit mono samples that `response_format="pcm"` has."""
CHUNK_BYTES = RATE // 10 * 2
LONGEST_S = 120
"""Of one utterance: what goes on longer is not a command to a house."""


class Bridge(AsyncEventHandler):
    """One connection of Home Assistant's."""

    def __init__(
        self, antiphon: AsyncOpenAI, info: Info, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(reader, writer)
        self._antiphon, self._info = antiphon, info
        self._format, self._heard = AudioStart(rate=16_000, width=2, channels=1), bytearray()

    async def handle_event(self, event: Event) -> bool:
        try:
            if Describe.is_type(event.type):
                await self.write_event(self._info.event())
            elif Transcribe.is_type(event.type):
                self._heard.clear()
            elif AudioStart.is_type(event.type):
                self._format = AudioStart.from_event(event)
            elif AudioChunk.is_type(event.type):
                self._heard += AudioChunk.from_event(event).audio
                return len(self._heard) <= LONGEST_S * self._format.rate * self._format.width * self._format.channels
            elif AudioStop.is_type(event.type):
                await self.write_event(Transcript(await self._transcribed()).event())
            elif Synthesize.is_type(event.type):
                await self._speak(Synthesize.from_event(event))
        except OpenAIError as error:
            await self.write_event(Error(str(error), type(error).__name__).event())
            return False
        return True

    async def _transcribed(self) -> str:
        """The words of the audio since `transcribe`."""
        file = io.BytesIO()
        with wave.open(file, "wb") as recording:
            recording.setframerate(self._format.rate)
            recording.setsampwidth(self._format.width)
            recording.setnchannels(self._format.channels)
            recording.writeframes(self._heard)
        self._heard.clear()
        upload = ("speech.wav", file.getvalue())
        return (await self._antiphon.audio.transcriptions.create(model="antiphon", file=upload)).text

    async def _speak(self, wanted: Synthesize) -> None:
        """Send the sound while it is being made."""
        voice = (wanted.voice and wanted.voice.name) or self._info.tts[0].voices[0].name
        speech = self._antiphon.audio.speech.with_streaming_response.create(
            model="antiphon", input=wanted.text, voice=voice, response_format="pcm"
        )
        async with speech as sound:
            await self.write_event(AudioStart(rate=RATE, width=2, channels=1).event())
            async for audio in sound.iter_bytes(CHUNK_BYTES):
                await self.write_event(AudioChunk(rate=RATE, width=2, channels=1, audio=audio).event())
            await self.write_event(AudioStop().event())


def describe(url: str) -> Info:
    """What the server offers, as Home Assistant lists it; the server's usual voice is the first."""
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/health") as answer:
        health = json.load(answer)
    origin = Attribution(name="Antiphon", url=url)
    about = {"attribution": origin, "installed": True, "version": None}
    recognizer = AsrModel(name=health["models"]["encoder"], description="Recognizer", languages=["en"], **about)
    usual = health["models"]["voice"]
    names = [usual, *(name for name in health["voices"] if name != usual)]
    voices = [TtsVoice(name=name, description=name, languages=["en"], **about) for name in names]
    return Info(
        asr=[AsrProgram(name="antiphon", description="Antiphon", models=[recognizer], **about)],
        tts=[TtsProgram(name="antiphon", description="Antiphon", voices=voices, **about)],
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://localhost:8000/v1", help="of Antiphon; default: %(default)s")
    parser.add_argument("--key", default="none", help="the server's API key, if it has one")
    parser.add_argument("--uri", default="tcp://127.0.0.1:10300", help="of the bridge; default: %(default)s")
    options = parser.parse_args()
    antiphon = AsyncOpenAI(base_url=options.url, api_key=options.key)
    print(f"Waiting for Home Assistant at {options.uri}", flush=True)
    await AsyncServer.from_uri(options.uri).run(partial(Bridge, antiphon, describe(options.url)))


if __name__ == "__main__":
    asyncio.run(main())
