"""Bad input and bad clients, against the agent with its real models: errors or clean ends, and it goes on."""

import asyncio
import base64
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soxr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from audio.pcm import Pcm
from pipeline.engine import Engine
from realtime.protocol.audio_format import AudioFormat
from realtime.serve import loaded, running
from realtime.settings import Settings
from tests.support.serving import SETTINGS, WIRE
from tests.support.speech import INTELLIGIBLE, recordings, word_errors

ANTIPHON = Path(sys.executable).with_name("antiphon")
KEY = {"Authorization": "Bearer sesame"}
SOUND = "response.output_audio.delta"
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"

Event = dict[str, Any]


class Client:
    """A client without manners: it sends what it likes."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.events: list[Event] = []

    async def send(self, *messages: Event | str | bytes) -> None:
        for message in messages:
            await self.websocket.send(json.dumps(message) if isinstance(message, dict) else message)

    async def until(self, *kinds: str) -> Event:
        async with asyncio.timeout(60):
            while True:
                event: Event = json.loads(await self.websocket.recv())
                self.events.append(event)
                if event["type"] in kinds:
                    return event

    async def close_code(self) -> int | None:
        """Reads on until the server closes."""
        try:
            async with asyncio.timeout(60):
                while True:
                    await self.websocket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None

    async def configure(self, **session: object) -> None:
        await self.send({"type": "session.update", "session": {"type": "realtime", **session}})
        await self.until("session.updated")

    async def begin_an_answer(self) -> Event:
        """Returns its first sound."""
        await self.send(message("Tell me a long story about the sea."), {"type": "response.create"})
        return await self.until(SOUND)

    def told(self, kind: str, field: str) -> list[Any]:
        return [event[field] for event in self.events if event["type"] == kind]


@asynccontextmanager
async def joined(url: str, **options: Any) -> AsyncIterator[Client]:  # noqa: ANN401
    async with connect(
        f"{url.replace('http', 'ws')}/v1/realtime", proxy=None, ping_interval=None, max_size=None, **options
    ) as websocket:
        client = Client(websocket)
        await client.until("session.created")
        yield client


@asynccontextmanager
async def agent(settings: Settings = SETTINGS) -> AsyncIterator[tuple[Engine, Client]]:
    async with loaded(settings) as engine, running(engine, settings) as url, joined(url) as client:
        yield engine, client


def message(text: str, **item: str) -> Event:
    content = [{"type": "input_text", "text": text}]
    return {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": content, **item},
    }


def append(pcm: Pcm, wire: AudioFormat = WIRE) -> Event:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(wire.encode(pcm)).decode()}


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * WIRE.rate), np.float32)


def truncate(audio_end_ms: int, item_id: str = "item_x") -> Event:
    return {
        "type": "conversation.item.truncate",
        "item_id": item_id,
        "content_index": 0,
        "audio_end_ms": audio_end_ms,
    }


WRITE = {"type": "response.create", "response": {"output_modalities": ["text"], "max_output_tokens": 8}}

BAD: list[tuple[Event | str | bytes, str]] = [
    ('{"type":', "invalid_json"),
    ("[1]", "invalid_json"),
    ('{"type": "' + "[" * 5_000, "invalid_json"),
    ('{"type": "x", "event_id": "\\ud800"}', "invalid_json"),
    (b"\x00\x01", "invalid_frame"),
    ({"type": "no.such.event"}, "invalid_value"),
    ({"type": "session.update", "session": {"type": "realtime", "instructions": 5}}, "invalid_type"),
    ({"type": "input_audio_buffer.append", "audio": "$$$"}, "invalid_base64"),
    ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "invalid_audio"),
    ({"type": "input_audio_buffer.append", "audio": "A" * 16 * 2**20}, "event_too_large"),
    (truncate(10), "item_truncate_invalid_item_id"),
    (truncate(-1), "invalid_value"),
    (truncate(10**400), "invalid_value"),
    ({"type": "response.create", "response": {"max_output_tokens": 10**400}}, "invalid_value"),
    ({"type": "response.cancel"}, "response_cancel_not_active"),
    ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty"),
]


async def test_bad_events_are_answered_and_the_session_goes_on() -> None:
    async with agent() as (_, client):
        for event, code in BAD:
            await client.send(event)
            assert (await client.until("error"))["error"]["code"] == code
        await client.send(message("Hi \x00 \U0001f600 \u202e <|im_end|>"), WRITE)
        assert (await client.until("response.done"))["response"]["status"] in ("completed", "incomplete")
        # What can't possibly fit is refused at the door; what is too long for the context fails by itself.
        await client.send(message("word " * 20_000, id="long"))
        assert (await client.until("error"))["error"]["code"] == "string_above_max_length"
        await client.send(message("word " * 3_000, id="long"), WRITE)
        failed = (await client.until("response.done"))["response"]
        assert "tokens that the context has" in failed["status_details"]["error"]["message"]
        await client.send({"type": "conversation.item.delete", "item_id": "long"})
        await client.send(
            {"type": "session.update", "session": {"type": "realtime", "instructions": "Be kind. " * 1_500}}
        )
        assert (await client.until("error"))["error"]["param"] == "session.instructions"
        await client.send(WRITE)
        assert (await client.until("response.done"))["response"]["status"] in ("completed", "incomplete")


async def test_commands_in_the_middle_of_an_answer() -> None:
    # Nothing is slowed down, or each answer of a few words would have ended before the next one is asked for.
    server = SETTINGS.server.model_copy(update={"answers_per_second": 1_000})
    async with agent(SETTINGS.model_copy(update={"server": server})) as (_, client):
        item_id = (await client.begin_an_answer())["item_id"]
        delete = {"type": "conversation.item.delete", "item_id": item_id}
        cancel = {"type": "response.cancel"}
        update = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}
        clear = {"type": "input_audio_buffer.clear"}
        await client.send(update, clear, delete, delete, cancel, cancel)
        await client.until("session.updated")
        await client.until("input_audio_buffer.cleared")
        await client.until("conversation.item.deleted")
        assert (await client.until("error"))["error"]["code"] == "item_delete_invalid_item_id"
        assert (await client.until("response.done"))["response"]["status"] == "cancelled"
        assert (await client.until("error"))["error"]["code"] == "response_cancel_not_active"

        item_id = (await client.begin_an_answer())["item_id"]
        await client.send(truncate(10**7, item_id))
        assert (await client.until("response.done"))["response"]["status"] == "cancelled"
        await client.until("conversation.item.truncated")

        await client.configure(audio={"input": {"turn_detection": None}})
        commit = {"type": "input_audio_buffer.commit"}
        await client.send(append(recordings()["turn_03"].pcm(WIRE.rate)), commit, commit)
        assert (await client.until("error"))["error"]["code"] == "input_audio_buffer_commit_empty"

        client.events.clear()
        await client.send(*[WRITE] * 100)
        while (
            client.told("response.created", "type").count("response.created") + len(client.told("error", "type")) < 100
        ):
            await client.until("response.created", "error")
        if not client.told("response.done", "type"):
            await client.until("response.done")
        refused = {error["code"] for error in client.told("error", "error")}
        assert refused == {"conversation_already_has_active_response"}


async def test_speech_and_silence_faster_than_real_time() -> None:
    """Every turn is heard and written down, and all that is answered is answered to its end."""
    async with agent() as (_, client):
        await client.configure(
            audio={"input": {"transcription": {"model": "x"}, "turn_detection": {"type": "server_vad"}}}
        )
        said = [recording.pcm(WIRE.rate) for recording in islice(cycle(recordings().values()), 24)]
        for pcm in said:
            await client.send(append(pcm), append(silence(1)))
        await client.send(*[append(silence(10))] * 20, {"type": "input_audio_buffer.clear"})
        await client.until("input_audio_buffer.cleared")
        turns = client.told("input_audio_buffer.speech_started", "item_id")
        assert len(turns) >= len(said)
        assert client.told("input_audio_buffer.committed", "item_id") == turns
        while len(client.told(TRANSCRIBED, "item_id")) < len(turns):
            await client.until(TRANSCRIBED)
        while len(client.told("response.done", "type")) < len(client.told("response.created", "type")):
            await client.until("response.done")
        assert client.told("response.done", "type")
        assert not client.told("error", "error")


FORMATS = [
    AudioFormat("audio/pcmu", 8_000),
    AudioFormat("audio/pcma", 8_000),
    AudioFormat("audio/pcm", 8_000),
    AudioFormat("audio/pcm", 16_000),
]


async def test_every_format_carries_a_conversation() -> None:
    question = recordings()["turn_02"]
    async with loaded(SETTINGS) as engine, running(engine, SETTINGS) as url:
        for wire in FORMATS:
            async with joined(url) as client:
                spoken = {"type": wire.encoding} | ({"rate": wire.rate} if wire.encoding == "audio/pcm" else {})
                heard = {"format": spoken, "transcription": {"model": "x"}}
                await client.configure(audio={"input": heard, "output": {"format": spoken}})
                still = np.zeros(2 * wire.rate, np.float32)
                await client.send(append(question.pcm(wire.rate), wire), append(still, wire))
                done = await client.until("response.done")
                (transcript,) = client.told(TRANSCRIBED, "transcript")
                assert word_errors(question.text, transcript) <= 0.25, wire
                deltas = client.told(SOUND, "delta")
                answer = np.concatenate([wire.decode(base64.b64decode(delta)) for delta in deltas])
                stream = engine.encoder.open()
                stream.push(soxr.resample(answer, wire.rate, 16_000))
                said = done["response"]["output"][0]["content"][0]["transcript"]
                assert word_errors(said, stream.finish().text) <= INTELLIGIBLE, wire


class Served:
    """`antiphon serve` in a process of its own."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.process = process

    def sessions(self) -> int:
        return int(httpx.get(f"{self.url}/health").json()["sessions"])

    async def all_gone(self) -> None:
        async with asyncio.timeout(60):
            while await asyncio.to_thread(self.sessions):
                pass

    def memory_mib(self) -> float:
        (kib,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(kib) / 2**10


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """With two sessions at most, a key, and little patience."""
    settings = {"API_KEY": "sesame", "MAX_SESSIONS": "2", "SESSIONS_PER_MINUTE": "1000", "SEND_TIMEOUT_S": "1"}
    environment = os.environ | {f"ANTIPHON_SERVER__{name}": value for name, value in settings.items()}
    command: list[str | Path] = [ANTIPHON, "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        url = next(match.group() for line in lines if (match := re.search(r"http://\S+", line)))
        yield Served(url, process)
        process.kill()


async def test_who_may_not_come_in(server: Served) -> None:
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        (KEY | {"Origin": "https://elsewhere.example"}, 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with joined(server.url, additional_headers=headers):
                pass
        assert refused.value.response.status_code == status
    async with joined(server.url, additional_headers=KEY), joined(server.url, additional_headers=KEY):
        address = f"{server.url.replace('http', 'ws')}/v1/realtime"
        async with connect(address, proxy=None, additional_headers=KEY) as third:
            assert json.loads(await third.recv())["error"]["code"] == "session_limit_reached"
            assert await Client(third).close_code() == 1013


async def test_clients_that_vanish_in_mid_answer_leave_nothing_behind(server: Served) -> None:
    async def vanish() -> None:
        async with joined(server.url, additional_headers=KEY) as client:
            await client.begin_an_answer()
            reset(client)
        await server.all_gone()

    for _ in range(3):
        await vanish()
    before = server.memory_mib()
    for _ in range(10):
        await vanish()
    assert server.memory_mib() < before + 60  # an allocator keeps a varying 5 to 25


async def test_a_client_that_stops_reading_is_left_and_others_are_served(server: Served) -> None:
    async with joined(server.url, additional_headers=KEY, max_queue=1) as deaf:
        deaf.websocket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await deaf.begin_an_answer()
        deaf.websocket.transport.pause_reading()
        before = server.memory_mib()
        async with joined(server.url, additional_headers=KEY) as other:
            await other.send(message("Hello."), WRITE)
            await other.until("response.done")
        # It goes on asking for what it doesn't take, until it is left.
        async with asyncio.timeout(60):
            with pytest.raises(ConnectionClosed):
                await deaf.send(*[message("x" * 10_000)] * 100_000)
        await server.all_gone()
        assert server.memory_mib() < before + 100


async def test_a_server_that_is_stopped_in_mid_answer_says_goodbye(server: Served) -> None:
    """The last test of the server: it must have had nothing to complain of."""
    async with joined(server.url, additional_headers=KEY) as client:
        await client.begin_an_answer()
        server.process.send_signal(signal.SIGINT)
        assert await client.close_code() == 1001
    assert server.process.wait(60) == 130
    assert server.process.stderr is not None
    complaints = server.process.stderr.read()
    assert "Traceback" not in complaints
    assert "ERROR" not in complaints


def reset(client: Client) -> None:
    """Break the connection off as a crash does: no close frame, and a reset instead of an end."""
    linger = struct.pack("ii", 1, 0)
    client.websocket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.websocket.transport.abort()


def test_what_can_be_mended_is_said_in_one_sentence(tmp_path: Path) -> None:
    """Not a traceback: exit code 1, and the reason."""
    question = recordings()["turn_02"].path
    (tmp_path / "wrong.toml").write_text("[server]\nprot = 1\n")
    without_weights = {
        "ANTIPHON_MODELS__CACHE": str(tmp_path),
        "ANTIPHON_MODELS__OFFLINE": "true",
    }
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases: list[tuple[list[str | Path], dict[str, str], list[str]]] = [
            (["serve", "--port", port], {}, ["choose another port"]),
            (["serve", "--config", tmp_path / "wrong.toml"], {}, ["wrong.toml:2: server.prot: no such setting"]),
            (
                ["serve", "--host", "0.0.0.0", "--port", "0"],
                {},
                ["can reach 0.0.0.0", "ANTIPHON_SERVER__API_KEY"],
            ),
            (["serve", "--port", "0"], without_weights, ["missing"]),
            (["ask", tmp_path / "missing.wav"], {}, ["there is no file"]),
            (["ask", question, "--out", tmp_path / "missing" / "a.wav"], {}, ["there is no folder"]),
            (["ask", question, "--json", "--url", "http://127.0.0.1:9"], {}, ["no server answers"]),
        ]
        for arguments, environment, reasons in cases:
            run = subprocess.run(
                [ANTIPHON, *arguments], capture_output=True, text=True, check=False, env=os.environ | environment
            )
            assert (run.returncode, run.stdout) == (1, ""), arguments
            assert "Traceback" not in run.stderr
            for reason in reasons:
                assert reason in run.stderr
