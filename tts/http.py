"""Voices of a server with OpenAI's speech API, `POST /v1/audio/speech`: heard while they are still made."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from functools import partial

import anyio
import httpx
import numpy as np
from anyio import ClosedResourceError, EndOfStream, create_memory_object_stream
from anyio.from_thread import start_blocking_portal
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from tts.chunks import CHUNK_S, Pace, amplified, trimmed
from tts.synthesizer import Clause, Pcm, Speech, SpeechFailed, VoiceInfo, check_known
from tts.underway import Stopped, Underway

RATE = 24_000
"""Of the API's raw format, 16 bits, little-endian, mono."""
ATTEMPTS = 3
AGAIN_S = 0.1
"""Wait before the second attempt, and twice as long before the third."""
CONNECT_S = 5.0
_BUSY = (408, 429, 500, 502, 503, 504)
"""Answers after which another attempt may succeed."""
_NOT_RAW = r"application/json|text/|audio/(x-)?(mpeg|mp3|mp4|aac|wav|wave|vnd\.wave|ogg|opus|flac|webm)\b"
"""Types of answers that would be noise."""
_FORMAT = {"rate": str(RATE), "channels": "1"}
_LEAST_BYTES = 2 * RATE // 50
"""20 ms: less at a time is more work than sound."""


class Http:
    """One server, shared by all conversations over connections that stay open.

    Word times are estimates, see `Pace`. `speak` raises `SpeechFailed`: after all attempts if no sound had come; at
    once if some had, for then a second attempt would say it twice, or if nothing came in time, for the person waits.
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
        """`url`: with its /v1. `timeout_s`: longest wait for the next sound. `gain_db`: as loud as other voices."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(timeout_s, connect=CONNECT_S))
        self._thread = ExitStack()
        """Whose loop waits for the server: only so can a request be given up at any time."""
        self._portal = self._thread.enter_context(start_blocking_portal(name="speech-server"))
        self._url = url.rstrip("/") + "/audio/speech"
        self.language = language
        self._infos = tuple(VoiceInfo(name, language, licence) for name in voices)
        self._request = {"model": model, "response_format": "pcm", "speed": speed}
        self._gain = 10 ** (gain_db / 20)

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return self._infos

    def open(self, voice: str) -> "HttpVoice":
        check_known(voice, [info.name for info in self._infos])
        return HttpVoice(self, voice)

    def close(self) -> None:
        """Close the connections, and break off what is still spoken."""
        self._portal.call(self._client.aclose)
        self._portal.call(self._portal.stop, True)
        self._thread.close()

    def sound(self, voice: str, text: str, stopped: Stopped) -> Iterator[Pcm]:
        """`text` in `voice` as it comes, until it is `stopped` or dropped. Raises `SpeechFailed`."""
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
            # After `close`, the loop takes nothing on.
            if not stopped.done():
                raise SpeechFailed(f"{self._url} was given up") from error
        finally:
            request.cancel()

    async def _ask(
        self, voice: str, text: str, made: MemoryObjectSendStream[Pcm], coming: MemoryObjectReceiveStream[Pcm]
    ) -> None:
        with made, coming:
            body = self._request | {"voice": voice, "input": text}
            gain = self._gain / 32768
            for attempt in range(ATTEMPTS):
                last = attempt == ATTEMPTS - 1
                begun = False
                try:
                    async with self._client.stream("POST", self._url, json=body) as response:
                        if response.status_code in _BUSY and not last:
                            await response.aread()
                        else:
                            await self._check(response)
                            async for data in _evenly(response.aiter_bytes()):
                                begun = True
                                await made.send(amplified(np.frombuffer(data, dtype="<i2").astype(np.float32), gain))
                            if not begun:
                                raise SpeechFailed(f"{self._url} sends no sound")
                            return
                except httpx.RequestError as error:
                    if begun:
                        raise SpeechFailed(f"{self._url} broke off: {_reason(error)}") from error
                    if last or isinstance(error, httpx.TimeoutException):
                        raise SpeechFailed(f"{self._url} does not answer: {_reason(error)}") from error
                await anyio.sleep(AGAIN_S * 2**attempt)

    async def _check(self, response: httpx.Response) -> None:
        if response.status_code != httpx.codes.OK:
            said = (await response.aread()).decode(errors="replace")[:300]
            raise SpeechFailed(f"{self._url} refuses with {response.status_code}: {said or response.reason_phrase}")
        kind = response.headers.get("content-type", "").lower()
        parameters = dict(re.findall(r"(rate|channels)=(\d+)", kind))
        if re.match(_NOT_RAW, kind) or parameters.items() - _FORMAT.items():
            raise SpeechFailed(f"{self._url} answers with {kind} where raw sound at 24 kHz was asked for")


class HttpVoice:
    def __init__(self, server: Http, name: str) -> None:
        self.server = server
        self._name = name
        self._pace = Pace(RATE)

    @property
    def sample_rate(self) -> int:
        return RATE

    @property
    def waits(self) -> bool:
        return True

    def speak(self, clause: Clause) -> Underway:
        return Underway(partial(self._speech, clause))

    def _speech(self, clause: Clause, stopped: Stopped) -> Iterator[Speech]:
        parts = trimmed(self.server.sound(self._name, clause.said_in(self.server.language), stopped), RATE)
        yield from self._pace.speech(parts, clause, round(CHUNK_S * RATE))


async def _evenly(data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """`data` in pieces of whole samples, none of them tiny but the last."""
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
