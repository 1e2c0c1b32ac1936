"""A stand-in for a speech server, and the ways in which it behaves."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from tts.engines.speech_server import RATE


def tone(seconds: float) -> bytes:
    return (8000 * np.sin(np.arange(round(seconds * RATE)))).astype("<i2").tobytes()


TONE_SERVER = Path(__file__).with_name("tone_server.py")
"""A stand-in for tts/engines/coqui_server.py, to be run in its place."""

Body = Callable[["Handler"], None]
"""What a server does with a request, after it was read."""


@dataclass
class Request:
    path: str
    key: str
    peer: int
    body: dict[str, object]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "SpeechServer"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        peer = self.client_address[1]
        self.server.requests.append(Request(self.path, self.headers.get("Authorization", ""), peer, body))
        self.server.bodies.pop(0)(self)

    def begin(self, status: int = 200, kind: str = "audio/pcm") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


class SpeechServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[Body] = []
        self.requests: list[Request] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Be quiet: clients go away in these tests."""
