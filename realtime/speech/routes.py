"""The endpoints for speech and the list of models, as routes of the application."""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline.engine import Engine
from realtime.protocol.session_config import Offer
from realtime.sessions.guard import Refusal
from realtime.speech.synthesis import SpeechEndpoint
from realtime.speech.transcription import TranscriptionEndpoint

MODELS = ("antiphon", "gpt-realtime-2.1", "tts-1", "gpt-4o-mini-tts", "whisper-1", "gpt-4o-mini-transcribe")
"""Names that clients can choose from. Each endpoint takes any name: the server's configuration says what answers."""


def speech_routes(engine: Engine, offer: Callable[[], Offer]) -> Sequence[BaseRoute]:
    """`offer` is called for every request: voices become available while the server runs."""
    return [
        Route("/v1/audio/speech", SpeechEndpoint(engine, offer).post, methods=["POST"]),
        Route("/v1/audio/transcriptions", TranscriptionEndpoint(engine, offer().language), methods=["POST"]),
        Route("/v1/models", _models),
        Route("/v1/models/{model:path}", _model),
    ]


async def _models(request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [_described(name) for name in MODELS]})


async def _model(request: Request) -> Response:
    name = request.path_params["model"]
    if name not in MODELS:
        refusal = Refusal(404, "model_not_found", f"There is no model of the name '{name[:80]}'.")
        return JSONResponse(refusal.as_json(), refusal.status)
    return JSONResponse(_described(name))


def _described(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "antiphon"}
