"""`POST /v1/audio/speech`: text in, a sound file out, sent while it is being made."""

import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from audio.pcm import Pcm
from pipeline.engine import Engine
from pipeline.runtime.workers import Urgency
from realtime.protocol.parsing import Invalid
from realtime.protocol.session_config import Offer, voice_name
from realtime.sessions.guard import Refusal
from realtime.speech.audio_files import MEDIA_TYPES, FileFormat, FileWriter
from realtime.speech.refusals import Refused, body_of, refusing
from tts.frontend.clauses import clauses_of
from tts.synthesizer import Paced, Stoppable, UnknownVoice, Voice

_MOST_CHARACTERS = 4096
"""As the protocol bounds `input`."""
_MOST_BYTES = 64 * 1024


class SpeechRequest(BaseModel):
    """What a client may say; what it says beyond that has no effect."""

    input: Annotated[str, Field(max_length=_MOST_CHARACTERS)]
    model: str = ""
    """Any name: the voice decides."""
    voice: str | dict[str, str] | None = None
    response_format: FileFormat = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4.0)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"


@dataclass(frozen=True, slots=True)
class SpeechEndpoint:
    """Speaks with the agent's voices; conversations go first on the shared worker threads."""

    engine: Engine
    offer: Callable[[], Offer]

    async def post(self, request: Request) -> Response:
        async with refusing() as outcome:
            wanted = _parse(await body_of(request, _MOST_BYTES))
            pieces = self._file(wanted, await self._voice(wanted))
            if wanted.stream_format == "sse":
                return StreamingResponse(_as_events(pieces), media_type="text/event-stream")
            return StreamingResponse(pieces, media_type=MEDIA_TYPES[wanted.response_format])
        return outcome.response

    async def _voice(self, wanted: SpeechRequest) -> Voice:
        offer = self.offer()
        asked = wanted.voice.get("id") if isinstance(wanted.voice, dict) else wanted.voice
        try:
            name = voice_name(asked, offer, "voice") or offer.settings.voice
            await self.engine.ready(name)
            voice = self.engine.synthesizer.open(name)
        except Invalid as error:
            raise Refused(Refusal(400, error.code, error.message)) from None
        except UnknownVoice as error:
            raise Refused(Refusal(400, "invalid_value", str(error))) from None
        return voice.at_speed(wanted.speed) if isinstance(voice, Paced) and wanted.speed != 1 else voice

    async def _file(self, wanted: SpeechRequest, voice: Voice) -> AsyncGenerator[bytes]:
        writer = FileWriter(wanted.response_format, voice.sample_rate)
        async with aclosing(self._speak(wanted.input, voice)) as sound:
            async for pcm in sound:
                if data := writer.push(pcm):
                    yield data
        yield writer.finish()

    async def _speak(self, text: str, voice: Voice) -> AsyncGenerator[Pcm]:
        workers = self.engine.workers
        for clause in clauses_of(text):
            chunks = voice.speak(clause)
            step = partial(next, chunks, None)
            try:
                while (
                    speech := await (workers.wait(step) if voice.waits else workers.run(Urgency.SPEECH, step))
                ) is not None:
                    if len(speech.pcm):
                        yield speech.pcm
            finally:
                if isinstance(chunks, Stoppable):
                    chunks.stop()


def _parse(body: bytes) -> SpeechRequest:
    try:
        return SpeechRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Refused(Refusal(400, "invalid_value", f"{place}: {first['msg']}" if place else first["msg"])) from None


async def _as_events(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[str]:
    async with aclosing(pieces):
        async for data in pieces:
            event = {"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()}
            yield f"data: {json.dumps(event)}\n\n"
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield f"data: {json.dumps({'type': 'speech.audio.done', 'usage': usage})}\n\n"
