"""Voices of a server with OpenAI's speech API, `POST /v1/audio/speech`, streamed while the server synthesizes."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from functools import partial

import anyio
import httpx
from anyio import ClosedResourceError, EndOfStream, create_memory_object_stream
from anyio.from_thread import start_blocking_portal
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from audio.pcm import Pcm
from audio.pcm16 import decode_pcm16
from tts.engines.chunks import CHUNK_S, WordTimeEstimator, amplified, trimmed
from tts.engines.speech_stream import SpeechStream, Stopped
from tts.synthesizer import Clause, Speech, SpeechFailed, VoiceInfo, check_known

RATE = 24_000
"""Sample rate of the API's raw format, which is mono with 16-bit little-endian samples."""
ATTEMPTS = 3
"""Requests made for one clause before it fails."""
AGAIN_S = 0.1
"""Seconds before the second attempt; the third waits twice as long."""
CONNECT_S = 5.0
"""Longest wait for a connection, in seconds."""
LEAST_S = 10.0
"""Seconds of audio that any clause may take. A server that sends more than this and `CHARACTER_S` is stopped."""
CHARACTER_S = 0.5
"""Seconds of audio for each character, as if a slow speaker spoke at the slowest pace, a fifth of the usual one."""
_BUSY = (408, 429, 500, 502, 503, 504)
"""Status codes after which another attempt may succeed."""
_NOT_RAW = r"application/json|text/|audio/(x-)?(mpeg|mp3|mp4|aac|wav|wave|vnd\.wave|ogg|opus|flac|webm)\b"
"""Content types that would be noise if they were played as raw audio."""
_FORMAT = {"rate": str(RATE), "channels": "1"}
_LEAST_BYTES = 2 * RATE // 50
"""Bytes of 20 ms. Handling smaller pieces costs more than it gains."""


class SpeechServerSynthesizer:
    """Voices of one speech server, shared by all conversations over persistent connections.

    Word times come from `WordTimeEstimator`. `speak` raises `SpeechFailed`: after all attempts if no audio arrived; at
    once if some did, because a second attempt would repeat it, or on a timeout, because the user is waiting.
    """

    def __init__(
        self,
        url: str,
        voices: Sequence[str],
        *,
        api_key: str = "",
        model: str = "",
        language: str = "",
        licence: str = "",
        speed: float = 1.0,
        timeout_s: float = 20.0,
        gain_db: float = 0.0,
    ) -> None:
        """`url`: base URL including /v1. `timeout_s`: longest wait for the next audio. `gain_db`: output gain.

        `language`: BCP 47 tag of what the voices speak; "" or English makes the front end spell out the text.
        """
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(timeout_s, connect=CONNECT_S))
        self._thread = ExitStack()
        """Owns the thread whose event loop waits for the server, so that a request can be cancelled at any time."""
        self._portal = self._thread.enter_context(start_blocking_portal(name="speech-server"))
        self._url = url.rstrip("/") + "/audio/speech"
        self.language = language
        self._infos = tuple(VoiceInfo(name, language, licence) for name in voices)
        self._request = {"model": model, "response_format": "pcm", "speed": speed}
        self._gain = 10 ** (gain_db / 20)

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return self._infos

    def open(self, voice: str) -> "SpeechServerVoice":
        check_known(voice, [info.name for info in self._infos])
        return SpeechServerVoice(self, voice)

    def close(self) -> None:
        """Close the connections and abort the speech that is still arriving."""
        self._portal.call(self._client.aclose)
        self._portal.call(self._portal.stop, True)
        self._thread.close()

    def sound(self, voice: str, text: str, stopped: Stopped) -> Iterator[Pcm]:
        """Audio of `text` in `voice` as it arrives, until `stopped` is done or the iterator is dropped.

        Float32 at 24 kHz. Raises `SpeechFailed`.
        """
        made, coming = create_memory_object_stream[Pcm]()
        request = self._portal.start_task_soon(self._ask, voice, text, made, coming)
        stopped.add_done_callback(lambda _: request.cancel())
        try:
            with suppress(EndOfStream, ClosedResourceError):
                while True:
                    yield self._portal.call(coming.receive)
            request.result()
        except SpeechFailed:
            raise
        except (CancelledError, RuntimeError) as error:
            # After `close`, the event loop accepts no more calls.
            if not stopped.done():
                raise SpeechFailed(f"the request to {self._url} was cancelled") from error
        finally:
            request.cancel()

    async def _ask(
        self, voice: str, text: str, made: MemoryObjectSendStream[Pcm], coming: MemoryObjectReceiveStream[Pcm]
    ) -> None:
        with made, coming:
            body = self._request | {"voice": voice, "input": text}
            for attempt in range(ATTEMPTS):
                last = attempt == ATTEMPTS - 1
                begun = False
                try:
                    async with self._client.stream("POST", self._url, json=body) as response:
                        if response.status_code in _BUSY and not last:
                            await response.aread()
                        else:
                            await self._check(response)
                            room = round(RATE * (LEAST_S + CHARACTER_S * len(text))) * 2
                            async for data in _evenly(response.aiter_bytes()):
                                begun = True
                                room -= len(data)
                                if room < 0:
                                    raise SpeechFailed(f"{self._url} does not stop: {len(text)} characters")
                                await made.send(amplified(decode_pcm16(data), self._gain))
                            if not begun:
                                raise SpeechFailed(f"{self._url} sent no audio")
                            return
                except httpx.RequestError as error:
                    if begun:
                        raise SpeechFailed(f"{self._url} broke off: {_reason(error)}") from error
                    if last or isinstance(error, httpx.TimeoutException):
                        raise SpeechFailed(f"{self._url} does not answer: {_reason(error)}") from error
                await anyio.sleep(AGAIN_S * 2**attempt)

    async def _check(self, response: httpx.Response) -> None:
        if response.status_code != httpx.codes.OK:
            reason = (await response.aread()).decode(errors="replace")[:300]
            raise SpeechFailed(f"{self._url} refuses with {response.status_code}: {reason or response.reason_phrase}")
        kind = response.headers.get("content-type", "").lower()
        parameters = dict(re.findall(r"(rate|channels)=(\d+)", kind))
        if re.match(_NOT_RAW, kind) or parameters.items() - _FORMAT.items():
            raise SpeechFailed(f"{self._url} answers with {kind} where raw sound at 24 kHz was requested")


class SpeechServerVoice:
    """A voice of a `SpeechServerSynthesizer`, as opened by one conversation."""

    def __init__(self, server: SpeechServerSynthesizer, name: str) -> None:
        self.server = server
        self._name = name
        self._estimator = WordTimeEstimator(RATE)

    @property
    def sample_rate(self) -> int:
        return RATE

    @property
    def waits(self) -> bool:
        return True

    def speak(self, clause: Clause) -> SpeechStream:
        return SpeechStream(partial(self._speech, clause))

    def _speech(self, clause: Clause, stopped: Stopped) -> Iterator[Speech]:
        parts = trimmed(self.server.sound(self._name, clause.said_in(self.server.language), stopped), RATE)
        yield from self._estimator.speech(parts, clause, round(CHUNK_S * RATE))


async def _evenly(data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """`data` in pieces of whole samples, each at least `_LEAST_BYTES` long except the last."""
    held = b""
    async for piece in data:
        held += piece
        if len(held) >= _LEAST_BYTES:
            whole = len(held) // 2 * 2
            yield held[:whole]
            held = held[whole:]
    if len(held) > 1:
        yield held[: len(held) // 2 * 2]


def _reason(error: httpx.RequestError) -> str:
    return f"{type(error).__name__} {error}".strip()
