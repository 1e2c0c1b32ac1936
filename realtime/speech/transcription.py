"""`POST /v1/audio/transcriptions`: a sound file in, its words out, streamed where the client asks for it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

import numpy as np
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from audio.pcm import INPUT_RATE, Pcm
from pipeline.encoders.encoder import on_thread
from pipeline.engine import Engine
from pipeline.runtime.workers import Urgency
from realtime.sessions.guard import Refusal
from realtime.speech.audio_files import NotAudio, TooLong, read_audio
from realtime.speech.refusals import Refused, refusing, unless_gone

_MOST_BYTES = 25 * 2**20
"""Of a file, as the protocol bounds it."""
_LONGEST_S = 3600.0
_PIECE_S = 24.0
"""Longest audio that is given to the recognizer at once."""
_SEARCH_S = 8.0
"""The end of a piece in which the quietest place is looked for, to cut there."""
_FORMATS = ("json", "text", "verbose_json", "srt", "vtt")
_AT_ONCE = 4
"""Files that are decoded and transcribed at the same time; more wait, and have no audio in memory yet."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Words between two times in seconds from the start of the file."""

    start: float
    end: float
    text: str


class TranscriptionEndpoint:
    """Transcribes with the agent's recognizer; conversations go first on the shared worker threads."""

    def __init__(self, engine: Engine, language: str) -> None:
        self._engine = engine
        self._language = language
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; its place is taken until the last of its words is sent, or its client is gone."""
        async with AsyncExitStack() as place:
            response = await self._post(Request(scope, receive), place)
            await response(scope, receive, send)

    async def _post(self, request: Request, place: AsyncExitStack) -> Response:
        async with refusing() as outcome:
            if int(request.headers.get("content-length") or 0) > _MOST_BYTES + 2**16:
                raise Refused(Refusal(413, "request_too_large", f"A file has at most {_MOST_BYTES} bytes."))
            try:
                async with request.form(max_files=1, max_part_size=_MOST_BYTES) as form:
                    file = form.get("file")
                    wanted, streamed = str(form.get("response_format") or "json"), form.get("stream") == "true"
                    if not isinstance(file, UploadFile):
                        raise Refused(Refusal(400, "missing_required_parameter", "Missing required parameter: 'file'."))
                    await place.enter_async_context(self._places)
                    data = await file.read(_MOST_BYTES + 1)
            except MultiPartException as error:
                raise Refused(Refusal(400, "invalid_form", f"The form cannot be read: {error.message}")) from None
            if wanted not in _FORMATS:
                known = ", ".join(f"'{name}'" for name in _FORMATS)
                message = f"Invalid value: '{wanted[:80]}'. Supported values are: {known}."
                raise Refused(Refusal(400, "invalid_value", message))
            if len(data) > _MOST_BYTES:
                raise Refused(Refusal(413, "request_too_large", f"A file has at most {_MOST_BYTES} bytes."))
            pcm = await self._decoded(data)
            segments = self._transcribe(pcm)
            if streamed:
                return StreamingResponse(_as_events(segments), media_type="text/event-stream")
            whole = await unless_gone(request, _listed(segments))
            return self._answer(wanted, whole, len(pcm) / INPUT_RATE)
        return outcome.response

    async def _decoded(self, data: bytes) -> Pcm:
        try:
            return await asyncio.to_thread(read_audio, data, _LONGEST_S)
        except TooLong as error:
            raise Refused(Refusal(413, "audio_too_long", f"{error}.")) from None
        except NotAudio as error:
            raise Refused(Refusal(400, "invalid_audio", f"{error}.")) from None

    async def _transcribe(self, pcm: Pcm) -> AsyncGenerator[Segment]:
        """One segment for each piece in which anything was said."""
        for first, last in pieces(pcm):
            text = await self._words(pcm[first:last])
            if text:
                yield Segment(first / INPUT_RATE, last / INPUT_RATE, text)

    async def _words(self, pcm: Pcm) -> str:
        stream = self._engine.encoder.open()

        def read() -> str:
            stream.push(pcm)
            return stream.finish().text

        return await on_thread(self._engine.workers, Urgency.LISTEN, stream, read)

    def _answer(self, wanted: str, segments: list[Segment], seconds: float) -> Response:
        text = " ".join(segment.text for segment in segments)
        match wanted:
            case "text":
                return PlainTextResponse(text + "\n")
            case "srt":
                return PlainTextResponse("".join(_subtitles(segments, ",")))
            case "vtt":
                return PlainTextResponse("WEBVTT\n\n" + "".join(_subtitles(segments, ".")))
            case "verbose_json":
                listed = [
                    {"id": number, "start": segment.start, "end": segment.end, "text": segment.text}
                    for number, segment in enumerate(segments)
                ]
                whole = {"task": "transcribe", "language": self._language, "duration": seconds, "text": text}
                return JSONResponse(whole | {"segments": listed})
            case _:
                return JSONResponse({"text": text, "usage": {"type": "duration", "seconds": round(seconds)}})


async def _listed(segments: AsyncGenerator[Segment]) -> list[Segment]:
    async with aclosing(segments):
        return [segment async for segment in segments]


def pieces(pcm: Pcm) -> Iterator[tuple[int, int]]:
    """Bounds of stretches of at most `_PIECE_S`, cut where it is quietest. Pure."""
    longest, search, block = (round(seconds * INPUT_RATE) for seconds in (_PIECE_S, _SEARCH_S, 0.1))
    first = 0
    while len(pcm) - first > longest:
        window = pcm[first + longest - search : first + longest]
        energies = np.square(window[: len(window) // block * block]).reshape(-1, block).sum(axis=1)
        last = first + longest - search + int(energies.argmin()) * block + block // 2
        yield first, last
        first = last
    if len(pcm) > first:
        yield first, len(pcm)


def _subtitles(segments: list[Segment], comma: str) -> Iterator[str]:
    for number, segment in enumerate(segments, 1):
        start, end = _clock(segment.start, comma), _clock(segment.end, comma)
        yield f"{number}\n{start} --> {end}\n{segment.text}\n\n"


def _clock(seconds: float, comma: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{comma}{milliseconds:03}"


async def _as_events(segments: AsyncGenerator[Segment]) -> AsyncGenerator[str]:
    text = ""
    async for segment in segments:
        delta = segment.text if not text else f" {segment.text}"
        text += delta
        yield f"data: {json.dumps({'type': 'transcript.text.delta', 'delta': delta})}\n\n"
    yield f"data: {json.dumps({'type': 'transcript.text.done', 'text': text})}\n\n"
