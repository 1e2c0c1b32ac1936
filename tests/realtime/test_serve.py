"""What a server says about itself, and where it listens."""

import asyncio
import gc
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from pipeline.engine import Engine
from pipeline.settings import DecoderSettings, EncoderSettings, PipelineSettings, VoiceSettings
from realtime.access.access import Access
from realtime.access.api_keys import KeyRing, KeysFile
from realtime.serve import CannotListen, listen, loaded, metrics_port, observing, open_access, other_hosts
from realtime.sessions.guard import Guard
from realtime.sessions.observer import Client
from realtime.settings import MetricsSettings, ServerSettings, Settings
from tests.support import scripted
from tests.support.realtime_server import serving


@pytest.mark.parametrize(
    ("decoder", "voice", "hosts"),
    [
        ("", "", ()),
        ("http://127.0.0.1:8080/v1", "http://localhost:8880/v1", ()),
        ("https://models.example/v1", "", ("models.example",)),
        ("https://models.example/v1", "http://voices.example:8880/v1", ("models.example", "voices.example")),
        ("https://one.example/v1", "https://one.example/speech/v1", ("one.example",)),
    ],
)
def test_other_machines_that_receive_what_is_said_are_named(decoder: str, voice: str, hosts: tuple[str, ...]) -> None:
    settings = PipelineSettings(decoder=DecoderSettings(url=decoder), voice=VoiceSettings(url=voice))
    assert other_hosts(settings) == hosts


def test_a_recognizer_on_another_machine_receives_it_first() -> None:
    recognizer = EncoderSettings(backend="http", url="http://ears.example/v1")
    settings = PipelineSettings(encoder=recognizer, decoder=DecoderSettings(url="http://models.example/v1"))
    assert other_hosts(settings) == ("ears.example", "models.example")


@pytest.mark.parametrize(
    "server",
    [
        ServerSettings(host="127.0.0.1"),
        ServerSettings(host="::1"),
        ServerSettings(host="0.0.0.0", api_key="secret"),  # type: ignore[arg-type]  # as config.toml has it
        ServerSettings(host="0.0.0.0", keyless=True),
    ],
)
def test_a_server_starts_that_strangers_cannot_use(server: ServerSettings, tmp_path: Path) -> None:
    open_access(Settings(server=server.model_copy(update={"keys_file": tmp_path / "keys.json"})))


def test_a_server_with_a_named_key_starts_on_the_network(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    KeysFile(file).add("phone", "2026-11-28")
    assert open_access(Settings(server=ServerSettings(host="0.0.0.0", keys_file=file))).keys.required


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "talk.example"])
def test_a_server_on_the_network_without_a_key_does_not_start(host: str, tmp_path: Path) -> None:
    with pytest.raises(CannotListen, match=r"antiphon keys add.*ANTIPHON_SERVER__API_KEY.*server\.keyless"):
        open_access(Settings(server=ServerSettings(host=host, keys_file=tmp_path / "keys.json")))


def test_a_port_is_taken_at_once_and_open_only_when_the_server_can_answer() -> None:
    with listen("127.0.0.1", 0) as bound:
        address = bound.getsockname()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
        bound.listen()
        with pytest.raises(CannotListen, match="choose another port"):
            listen(*address)
        socket.create_connection(address, timeout=5).close()


async def test_the_metrics_have_a_port_of_their_own_which_needs_no_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = Settings(metrics=MetricsSettings(port=port))
    async with serving(guard=Guard("127.0.0.1", Access(KeyRing("sesame")))) as running, httpx.AsyncClient() as client:
        with metrics_port(settings, running.server):
            answer = await client.get(f"http://127.0.0.1:{port}/metrics")
            assert "antiphon_max_sessions 2.0" in answer.text
            with (
                pytest.raises(CannotListen, match=r"choose another metrics\.port"),
                metrics_port(settings, running.server),
            ):
                pass
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{port}/metrics")


async def test_traces_reach_a_collector() -> None:
    """The collector is a stand-in that keeps what is posted to it."""
    posted: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever).start()
        url = f"http://127.0.0.1:{collector.server_port}/v1/traces"

        def talk() -> None:
            with observing(Settings(metrics=MetricsSettings(traces_url=url))) as (_, traces):
                client = Client("sess_1", "websocket", "::1", "phone")
                traces.began(client)
                traces.ended(client, "client_left", 1)

        await asyncio.to_thread(talk)
        collector.shutdown()
    [(path, body)] = posted
    assert path == "/v1/traces"
    assert all(word in body for word in (b"sess_1", b"client_left", b"phone"))


async def test_what_is_loaded_holds_nobody_up_in_the_garbage_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's event of thousands of lists makes it look through all that it has to look at."""

    async def load(*_: object) -> Engine:
        return scripted.engine([], [])

    monkeypatch.setattr(Engine, "load", load)
    async with loaded(Settings()):
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 5_000
    assert gc.get_freeze_count() == 0
