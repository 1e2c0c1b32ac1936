"""The whole agent with its real models, served in the test's own loop, and the official client to talk to it."""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from audio.pcm import Pcm, silence
from pipeline.decoders.llama_cpp.llama import LlamaDecoder
from pipeline.engine import Engine
from pipeline.profiles import PROFILES
from pipeline.settings import DecoderSettings, StopgapSettings
from realtime.protocol.audio_format import AudioFormat
from realtime.serve import loaded, running
from realtime.settings import ServerSettings, Settings

TINY = DecoderSettings(model=PROFILES["tiny"].decoder, context_tokens=2048, threads=1, slots=4, temperature=0)
UNANNOUNCED = StopgapSettings(model_s=0, thought_s=0)
"""Where the machine is slow, an answer would begin with the announcement that it takes long."""
SETTINGS = Settings(profile="tiny", decoder=TINY, stopgaps=UNANNOUNCED, server=ServerSettings(max_sessions=12))
WIRE = AudioFormat("audio/pcm", 24_000)


@asynccontextmanager
async def served(settings: Settings = SETTINGS) -> AsyncIterator[tuple[Engine, AsyncOpenAI]]:
    """A server in this process, and a client of it."""
    async with (
        loaded(settings) as engine,
        running(engine, settings) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client,
    ):
        yield engine, client


class Caller:
    """A voice app: it streams a microphone and gathers what comes back."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []
        """Each of the 46 types that the package knows; a test knows which one it looks at."""

    async def say(self, pcm: Pcm) -> None:
        """Samples at 24 kHz, in blocks of 100 ms, as fast as the server takes them."""
        for start in range(0, len(pcm), WIRE.rate // 10):
            block = WIRE.encode(pcm[start : start + WIRE.rate // 10])
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(block).decode())

    async def until(self, *kinds: str) -> Any:  # noqa: ANN401 - as in `events`
        """The next event of one of these types; those before it are kept in `events`."""
        try:
            async with asyncio.timeout(60):
                while True:
                    event = await self.connection.recv()
                    self.events.append(event)
                    assert event.type != "error", event
                    if event.type in kinds:
                        return event
        except TimeoutError:
            raise AssertionError(f"none of {kinds} in a minute; so far {self.kinds()}") from None

    async def answered(self) -> Any:  # noqa: ANN401 - as in `events`
        """The end of the next answer. The microphone is open until it begins: a turn ends by the microphone's clock."""
        await self.quiet_until("response.created")
        return await self.until("response.done")

    async def talk(self, pcm: Pcm) -> None:
        """As `say`, no faster than time."""
        for start in range(0, len(pcm), WIRE.rate // 10):
            await self.say(pcm[start : start + WIRE.rate // 10])
            await asyncio.sleep(0.1)

    async def quiet_until(self, *kinds: str) -> Any:  # noqa: ANN401 - as in `events`
        """As `until`, while the microphone brings silence as a real one does: no faster than time."""
        microphone = asyncio.create_task(self._be_quiet())
        try:
            return await self.until(*kinds)
        finally:
            microphone.cancel()

    async def _be_quiet(self) -> None:
        while True:
            await self.talk(silence(WIRE.rate // 10))

    def audio(self, response_id: str) -> Pcm:
        """What was heard of a response, at 24 kHz."""
        deltas = [
            WIRE.decode(base64.b64decode(event.delta))
            for event in self.events
            if event.type == "response.output_audio.delta" and event.response_id == response_id
        ]
        return np.concatenate(deltas) if deltas else silence(0)

    def kinds(self) -> list[str]:
        """The types of the events so far, repeats in a row told once."""
        kinds = [event.type for event in self.events]
        return [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]


@asynccontextmanager
async def call(client: AsyncOpenAI, *, playback: bool = False, **audio_input: object) -> AsyncIterator[Caller]:
    """A session with transcription on; further settings of its audio input by name.

    `playback`: it is told how to play, and when the server cuts what it plays.
    """
    query = {"playback": "1"} if playback else {}
    async with client.realtime.connect(model="antiphon", extra_query=query) as connection:
        caller = Caller(connection)
        await caller.until("session.created")
        settings: Any = {
            "type": "realtime",
            "audio": {"input": {"transcription": {"model": "antiphon"}, **audio_input}},
        }
        await connection.session.update(session=settings)
        await caller.until("session.updated")
        caller.events.clear()
        yield caller


class Prompts:
    """What the model was really given to answer, by listening in on the llama.cpp server's requests."""

    def __init__(self, engine: Engine) -> None:
        assert isinstance(engine.decoder, LlamaDecoder)
        self._llama = engine.decoder.server
        self._tokens: list[list[int]] = []
        stream = self._llama.stream

        def listen_in(body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
            if body["n_predict"] > 1:
                self._tokens.append(body["prompt"])
            return stream(body)

        self._llama.stream = listen_in  # type: ignore[method-assign]

    async def texts(self) -> list[str]:
        return [
            (await self._llama.call("POST", "/detokenize", {"tokens": tokens}))["content"] for tokens in self._tokens
        ]
