"""Voices of a server with OpenAI's speech API, `POST /v1/audio/speech`: heard while they are still made."""

import time
from collections.abc import Iterator, Mapping, Sequence

import httpx
import numpy as np

from tts.chunks import CHUNK_S, Pace, amplified, trimmed
from tts.synthesizer import Clause, Pcm, Speech, SpeechFailed, Voice, VoiceInfo, WordTime, check_known

RATE = 24_000
"""Of the API's raw format, 16 bits, little-endian, mono."""
ATTEMPTS = 3
AGAIN_S = 0.1
"""Wait before the second attempt, and twice as long before the third: a worker thread waits with it."""
CONNECT_S = 5.0
_BUSY = (408, 429, 500, 502, 503, 504)
"""Answers after which another attempt may succeed."""
_LEAST_BYTES = 2 * RATE // 50
"""20 ms: less at a time is more work than sound."""


class Http:
    """One server, shared by all conversations over connections that stay open.

    Word times are estimates, see `Pace`. `speak` raises `SpeechFailed`: after all attempts if no sound had come, at
    once if some had, for then a second attempt would say it twice.
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
        gains_db: Mapping[str, float] | None = None,
    ) -> None:
        """`url`: with its /v1. `timeout_s`: longest wait for the next sound."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(timeout_s, connect=CONNECT_S))
        self._url = url.rstrip("/") + "/audio/speech"
        self._infos = tuple(VoiceInfo(name, language, licence) for name in voices)
        self._request = {"model": model, "response_format": "pcm", "speed": speed}
        self._gains = {name: 10 ** (db / 20) for name, db in (gains_db or {}).items()}

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return self._infos

    def open(self, voice: str) -> Voice:
        check_known(voice, [info.name for info in self._infos])
        return _HttpVoice(self, voice)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def sound(self, voice: str, text: str) -> Iterator[Pcm]:
        """`text` in `voice` as it comes. Raises `SpeechFailed`."""
        body = self._request | {"voice": voice, "input": text}
        gain = self._gains.get(voice, 1.0) / 32768
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            begun = False
            try:
                with self._client.stream("POST", self._url, json=body) as response:
                    if response.status_code in _BUSY and not last:
                        response.read()
                    else:
                        self._check(response)
                        for data in _evenly(response.iter_bytes()):
                            begun = True
                            yield amplified(np.frombuffer(data, dtype="<i2").astype(np.float32), gain)
                        if not begun:
                            raise SpeechFailed(f"{self._url} sends no sound")
                        return
            except httpx.TransportError as error:
                if begun:
                    raise SpeechFailed(f"{self._url} broke off: {_reason(error)}") from error
                if last:
                    raise SpeechFailed(f"{self._url} does not answer: {_reason(error)}") from error
            time.sleep(AGAIN_S * 2**attempt)

    def _check(self, response: httpx.Response) -> None:
        if response.status_code != httpx.codes.OK:
            said = response.read().decode(errors="replace")[:300]
            raise SpeechFailed(f"{self._url} refuses with {response.status_code}: {said or response.reason_phrase}")
        kind = response.headers.get("content-type", "")
        if kind.startswith(("application/json", "text/")):
            raise SpeechFailed(f"{self._url} answers with {kind} where sound was asked for")


class _HttpVoice:
    def __init__(self, server: Http, name: str) -> None:
        self._server = server
        self._name = name
        self._pace = Pace(RATE)

    @property
    def sample_rate(self) -> int:
        return RATE

    @property
    def waits(self) -> bool:
        return True

    def speak(self, clause: Clause) -> Iterator[Speech]:
        if not any(word.spoken for word in clause.words):
            words = tuple(WordTime(i, 0, 0) for i in range(len(clause.words)))
            yield Speech(np.zeros(0, dtype=np.float32), words)
            return
        parts = trimmed(self._server.sound(self._name, clause.spoken), RATE)
        yield from self._pace.speech(parts, clause, round(CHUNK_S * RATE))


def _evenly(data: Iterator[bytes]) -> Iterator[bytes]:
    """`data` in pieces of whole samples, none of them tiny but the last."""
    held = b""
    for piece in data:
        held += piece
        if len(held) >= _LEAST_BYTES:
            whole = len(held) // 2 * 2
            yield held[:whole]
            held = held[whole:]
    if len(held) > 1:
        yield held[: len(held) // 2 * 2]


def _reason(error: httpx.TransportError) -> str:
    return f"{type(error).__name__} {error}".strip()
