"""A stand-in for the Hugging Face hub, and models of the table that are made of a few bytes."""

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pipeline.weights.snapshots import SnapshotSource
from pipeline.weights.sources import ModelFile, Source
from pipeline.weights.store import Model

NOTES = b'{"rate": 22050}'
HUB_CONTENTS = {"model.bin": bytes(24_000_000), "notes.json": NOTES}
"""The hub's client writes 10 MB at a time, and can go on only from what is written."""


def made_of(contents: dict[str, bytes], *sources: Source, entry: str = "") -> Model:
    files = tuple(ModelFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in contents.items())
    return Model("test", "a test", "MIT", files, sources, entry)


def large(revision: str = "a" * 40) -> Model:
    """A model whose list of files the hub has itself."""
    return Model("decoder", "a test", "MIT", (), (SnapshotSource("snapshot", "me/large", 5_000, revision),))


class Hub(ThreadingHTTPServer):
    """A stand-in for the hub: HEAD and GET of /REPOSITORY/resolve/REVISION/PATH, with ranges, as hubs do.

    It breaks the first download of each file off in the middle.
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.files = {f"/me/tiny/resolve/{'a' * 40}/{path}": data for path, data in files.items()}
        self.asked: list[tuple[str, str, str]] = []
        self.broken: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        asked = self.headers.get("Range", "")
        self.server.asked.append((self.command, self.path, asked))
        data = self.server.files.get(self.path)
        if data is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if body and self.path not in self.server.broken:
            self.server.broken.add(self.path)
            self.wfile.write(data[start : start + (len(data) - start) // 2])
            self.close_connection = True
        elif body:
            self.wfile.write(data[start:])

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""
