"""Recognition by a server with OpenAI's transcription API, `POST /v1/audio/transcriptions`."""

import time
from http import HTTPStatus

import httpx
import numpy as np

from audio.errors import PlainError
from audio.pcm import INPUT_RATE, Pcm, silence
from audio.pcm16 import wav_file
from pipeline.encoders.embedding.cuts import quietest
from pipeline.encoders.encoder import Heard

WINDOW_SAMPLES = 20 * INPUT_RATE
"""Audio from which a window is closed. The server reads the open one again at each pass; Whisper reads 30 s at most."""
CUT_SAMPLES = 5 * INPUT_RATE
"""It is closed in silence within its last 5 s, in which every speaker pauses."""
HOP_SHARE = 16
"""The longer the window, the fewer passes: the audio between two is at least this share of it."""
ATTEMPTS = 3
"""Requests made for one pass before it fails."""
AGAIN_S = 0.1
"""Seconds before the second attempt; the third waits twice as long."""
CONNECT_S = 5.0
"""Longest wait for a connection, in seconds."""
_BUSY = (408, 429, 500, 502, 503, 504)
"""Status codes after which another attempt may succeed."""


class TranscriptionFailed(PlainError):
    """The server is unreachable, refused the request, or answered with something else. The message says why."""


class TranscriptionServerEncoder:
    """The recognizer of one server, shared by all conversations over persistent connections.

    The API knows neither streams nor word times: each pass sends the open window whole. Words are committed when their
    window closes, because a server may write the open one differently at each pass.
    """

    exact = False

    def __init__(
        self,
        url: str,
        *,
        api_key: str = "",
        model: str = "",
        language: str = "",
        timeout_s: float = 20.0,
        hop_s: float = 0.5,
    ) -> None:
        """`url`: base URL including /v1. `language`: code of what is spoken; "": the server finds out.

        `timeout_s`: longest wait for an answer. `hop_s`: least audio between two passes, in seconds.
        """
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(timeout_s, connect=CONNECT_S))
        self._url = url.rstrip("/") + "/audio/transcriptions"
        wanted = {"model": model, "language": language}
        self._form = {"response_format": "json"} | {key: value for key, value in wanted.items() if value}
        self.hop_samples = round(hop_s * INPUT_RATE)

    def open(self) -> "TranscribedStream":
        return TranscribedStream(self)

    def warm_up(self) -> None:
        """Raises `TranscriptionFailed` where the server does not answer."""
        self.transcribe(silence(INPUT_RATE))

    def close(self) -> None:
        self._client.close()

    def transcribe(self, pcm: Pcm) -> str:
        """The words of `pcm` (16 kHz), without surrounding white space. Blocks. Raises `TranscriptionFailed`."""
        file = ("speech.wav", wav_file(pcm, INPUT_RATE), "audio/wav")
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                answer = self._client.post(self._url, data=self._form, files={"file": file})
            except httpx.RequestError as error:
                # Somebody waits: after a long silence there is no second one.
                if last or isinstance(error, httpx.ReadTimeout):
                    reason = f"{type(error).__name__} {error}".strip()
                    raise TranscriptionFailed(f"{self._url} does not answer: {reason}") from error
            else:
                if last or answer.status_code not in _BUSY:
                    return self._text(answer)
            time.sleep(AGAIN_S * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _text(self, answer: httpx.Response) -> str:
        if answer.status_code != HTTPStatus.OK:
            reason = answer.text[:300] or answer.reason_phrase
            raise TranscriptionFailed(f"{self._url} refuses with {answer.status_code}: {reason}")
        try:
            return str(answer.json()["text"]).strip()
        except (ValueError, KeyError, TypeError) as error:
            raise TranscriptionFailed(f"{self._url} answers without a text: {answer.text[:300]}") from error


class TranscribedStream:
    """One utterance. Its memory is bounded: the text, and the open window."""

    waits = True

    def __init__(self, server: TranscriptionServerEncoder) -> None:
        self._server = server
        self._window = silence(0)
        self._unseen = 0
        """Samples since the last pass."""
        self._past = ""
        """Transcript of the closed windows."""
        self._latest = ""
        """That of the open one, at the last pass."""
        self._settled = True
        """Whether the last pass saw all samples."""

    def push(self, pcm: Pcm) -> Heard:
        """See `EncoderStream`. Sends the window if a hop has arrived since the last pass."""
        if len(pcm):
            self._window = np.concatenate((self._window, pcm))
            self._unseen += len(pcm)
            self._settled = False
        while len(self._window) >= WINDOW_SAMPLES:
            self._close()
        if self._unseen >= max(self._server.hop_samples, len(self._window) // HOP_SHARE):
            self._look()
        return Heard(self._past, self._latest)

    def finish(self) -> Heard:
        if not self._settled:
            self._look()
        return Heard(self._past + self._latest)

    def _look(self) -> None:
        # A pass that fails is not repeated at once: the next hop brings another one.
        self._unseen = 0
        self._latest = self._words(self._window)
        self._settled = True

    def _close(self) -> None:
        """Commit the words before a silence; the audio after it begins the next window."""
        at = quietest(self._window[:WINDOW_SAMPLES], WINDOW_SAMPLES - CUT_SAMPLES)
        self._past += self._words(self._window[:at])
        self._window = self._window[at:].copy()
        self._latest = ""

    def _words(self, pcm: Pcm) -> str:
        """The words with the space before the first one, by which they follow others."""
        text = self._server.transcribe(pcm)
        return f" {text}" if text else ""
