"""Real servers and real WebRTC peers over loopback; only the agent is a stand-in."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from aiortc import RTCIceServer, RTCPeerConnection
from openai import AsyncOpenAI, NotFoundError

from audio.pcm import Pcm, silence
from bench.callers.phone import PLAYBACK_RATE, Phone, ring
from bench.callers.relay import Relay
from pipeline import events as on
from pipeline.answering.gate import Listener
from pipeline.commands import Audio, Command, Hush, Respond, SessionSettings, Silence, Update
from pipeline.conversation.items import Message
from pipeline.runtime.timeline import Timeline
from realtime.access.access import Access
from realtime.access.api_keys import KeyRing
from realtime.app import create_app
from realtime.protocol.session_config import Offer
from realtime.sessions.guard import Guard
from realtime.sessions.live_sessions import Limits, Service
from realtime.terminal.client import ConnectionFailed
from realtime.webrtc.data_channel import Closed
from tests.support.realtime_server import SETTINGS, FailingAgent, Running, ScriptedAgent, serving

RATE = SETTINGS.output_rate
SAID = Message("item_1", "assistant", "Hi.", spoken=True)


def tone(seconds: float, rate: int = RATE) -> Pcm:
    angle = 2 * np.pi * 440 / rate * np.arange(round(seconds * rate), dtype=np.float32)
    wave: Pcm = 0.3 * np.sin(angle)
    return wave


class SpeakingAgent(ScriptedAgent):
    """Answers with so many seconds of a tone, all at once."""

    seconds = 0.3

    def __init__(self, settings: SessionSettings, outlet: Listener) -> None:
        super().__init__(settings, outlet)
        self.acted = asyncio.Event()

    async def act(self, command: Command) -> None:
        await super().act(command)
        self.acted.set()

    def heard(self) -> Pcm:
        return np.concatenate([silence(0), *(command.pcm for command in self.seen if isinstance(command, Audio))])

    async def hears(self, wanted: Callable[[Pcm], bool]) -> None:
        """Wait until the sound so far is as wanted."""
        while not wanted(self.heard()):
            self.acted.clear()
            await self.acted.wait()

    async def answer(self, command: Respond) -> None:
        timeline = Timeline()
        timeline.stamp("turn_decided")
        self.outlet.emit(on.ResponseStarted("resp_1", "audio", "joe", None, True, command.metadata))
        self.outlet.emit(on.OutputAdded("resp_1", 0, Message("item_1", "assistant", "", True, "in_progress")))
        self.outlet.emit(on.OutputAudio("resp_1", 0, "item_1", tone(self.seconds), timeline))
        self.outlet.emit(on.OutputText("resp_1", 0, "item_1", "Hi."))
        self.outlet.emit(on.OutputDone("resp_1", 0, SAID))
        self.outlet.emit(on.ResponseDone("resp_1", "completed", None, None, (SAID,), on.Usage(), timeline))


class InterruptedAgent(SpeakingAgent):
    """Answers with five seconds, and cuts them off on `Hush`; notes how much was played."""

    seconds = 5.0
    played: int | None = None

    async def act(self, command: Command) -> None:
        if isinstance(command, Hush):
            self.played = self.outlet.played("resp_1")
            self.outlet.emit(on.ItemTruncated("item_1", 0.0))
        else:
            await super().act(command)


class EndlessAgent(SpeakingAgent):
    """Speaks for ever, as fast as the transport takes it."""

    spoken_s = 0.0

    async def answer(self, command: Respond) -> None:
        self.outlet.emit(on.ResponseStarted("resp_1", "audio", "joe", None, True, {}))
        while True:
            self.outlet.emit(on.OutputAudio("resp_1", 0, "item_1", tone(0.5), Timeline()))
            self.spoken_s += 0.5
            await self.outlet.ready()
            await asyncio.sleep(0)


async def until(phone: Phone, kind: str) -> dict[str, Any]:
    while (event := await phone.receive())["type"] != kind:
        assert event["type"] != "error", event
    return event


async def kinds_until(phone: Phone, last: str) -> list[str]:
    kinds = []
    while last not in kinds:
        kinds.append((await phone.receive())["type"])
    return kinds


def url(running: Running) -> str:
    return f"http://{running.address}"


def sockets() -> int:
    """Open ones of this process."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of this very listing
            links.append(str(link.readlink()))
    return sum(link.startswith("socket:") for link in links)


def level(pcm: Pcm) -> float:
    return float(np.sqrt(np.mean(np.square(pcm)))) if len(pcm) else 0.0


def is_over(pcm: Pcm) -> bool:
    """Whether there was sound, and there is none any more."""
    return level(pcm) > 0.001 and level(pcm[-1600:]) < 0.001


def length(pcm: Pcm) -> float:
    """Seconds from the first loud sample to the last."""
    loud = np.flatnonzero(np.abs(pcm) > 0.1)
    return float(loud[-1] - loud[0]) / PLAYBACK_RATE


async def test_a_call_says_and_sounds_what_the_agent_answers() -> None:
    async with serving(SpeakingAgent) as running, ring(url(running), query="?timeline=1&model=my-voice") as phone:
        assert (await until(phone, "session.created"))["session"]["model"] == "my-voice"
        await phone.send({"type": "response.create"})
        kinds, done = [], {}
        while "output_audio_buffer.stopped" not in kinds:
            event = await phone.receive()
            kinds.append(event["type"])
            if event["type"] == "response.done":
                done = event["response"]
        assert kinds == [
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "output_audio_buffer.started",
            "response.done",
            "output_audio_buffer.stopped",
        ]
        assert list(json.loads(done["metadata"]["timeline"])) == ["turn_decided", "first_packet"]
        assert length(await phone.listen(is_over)) > 0.28


async def test_a_microphone_is_heard_from_the_first_packet_on_and_nothing_twice() -> None:
    async with serving(SpeakingAgent) as running, ring(url(running)) as phone:
        await phone.microphone.say(tone(0.5, 24_000))
        agent = running.agents[0]
        assert isinstance(agent, SpeakingAgent)
        await agent.hears(is_over)
        assert abs(length(agent.heard()) - 0.5) < 0.02
        assert not [command for command in agent.seen if isinstance(command, Silence)]


async def test_audio_that_arrives_during_a_standstill_is_not_replaced_by_silence() -> None:
    async with serving(SpeakingAgent) as running, ring(url(running)) as phone:
        response_of = asyncio.create_task(phone.microphone.say(tone(0.5, 24_000)))
        agent = running.agents[0]
        assert isinstance(agent, SpeakingAgent)
        await agent.hears(lambda pcm: np.abs(pcm).max(initial=0) >= 0.1)
        time.sleep(0.5)  # noqa: ASYNC251 - all of the process sleeps
        await response_of
        await agent.hears(is_over)
        assert abs(length(agent.heard()) - 0.5) < 0.02
        assert not [command for command in agent.seen if isinstance(command, Silence)]


async def test_a_call_works_by_sound_alone() -> None:
    async with serving(SpeakingAgent) as running, ring(url(running), events=False) as phone:
        await phone.microphone.say(tone(0.1, 24_000))
        assert any(isinstance(command, Audio) for command in running.agents[0].seen)


async def test_the_official_client_calls_and_hangs_up() -> None:
    async with serving() as running:
        client = AsyncOpenAI(api_key="any", base_url=f"{url(running)}/v1")
        phone = Phone()
        phone.connection.addTrack(phone.microphone)
        await phone.connection.setLocalDescription(await phone.connection.createOffer())
        async with client:
            answer = await client.realtime.calls.create(
                sdp=phone.connection.localDescription.sdp,
                session={"type": "realtime", "instructions": "Be brief.", "model": "gpt-realtime"},
            )
            assert answer.response.status_code == 201
            assert answer.text.startswith("v=0")
            assert running.agents[0].first_settings.instructions == "Be brief."
            call_id = answer.response.headers["location"].rpartition("/")[2]
            assert call_id.startswith("rtc_")
            await client.realtime.calls.hangup(call_id)
            await running.agents[0].ended.wait()
            await running.app.state.sessions.close()
            with pytest.raises(NotFoundError):
                await client.realtime.calls.hangup(call_id)
        await phone.connection.close()


async def test_what_a_form_asks_for_is_in_force_from_the_beginning() -> None:
    session = {"type": "realtime", "instructions": "Be brief.", "prompt": {"id": "pmpt_1"}}
    async with serving() as running, ring(url(running), session=json.dumps(session)) as phone:
        assert (await phone.receive())["session"]["instructions"] == "Be brief."
        assert (await phone.receive())["error"]["code"] == "unsupported_parameter"
        assert running.agents[0].first_settings.instructions == "Be brief."


async def test_an_event_that_is_too_long_for_the_client_is_left_out_and_the_call_continues() -> None:
    async with serving(max_event_bytes=400_000) as running:
        session = json.dumps({"type": "realtime", "instructions": "x" * 300_000})
        async with ring(url(running), session=session) as phone:
            assert (await phone.receive())["error"]["code"] == "event_too_large"
            await phone.send({"type": "session.update", "session": {"type": "realtime", "instructions": ""}})
            await until(phone, "session.updated")


async def offer() -> str:
    phone = Phone()
    phone.connection.addTrack(phone.microphone)
    await phone.connection.setLocalDescription(await phone.connection.createOffer())
    sdp: str = phone.connection.localDescription.sdp
    await phone.connection.close()
    return sdp


SDP = {"Content-Type": "application/sdp"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"nonsense", SDP, 400, "invalid_offer"),
        (b"", SDP, 400, "invalid_offer"),
        (b"\xff", SDP, 400, "invalid_offer"),
        (b"v=0\r\ns=-\r\n", SDP, 400, "invalid_offer"),
        (b"v=0\r\nm=audio x\r\na=fingerprint:sha-256 00\r\n", SDP, 400, "invalid_offer"),
        (b"v=0\r\n" * 20_000, SDP, 413, "request_too_large"),
        (b"v=0", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b"v=0", {}, 415, "unsupported_media_type"),
        (b"what", {"Content-Type": "multipart/form-data; boundary=x"}, 400, "invalid_form"),
        (b"what", {"Content-Type": "multipart/form-data"}, 400, "invalid_form"),
        (b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, 400, "missing_required_parameter"),
    ],
)
async def test_malformed_offers_are_refused(content: bytes, headers: dict[str, str], status: int, code: str) -> None:
    async with serving() as running, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{url(running)}/v1/realtime/calls", content=content, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
        assert len(running.app.state.sessions) == 0
        assert running.agents == []


@pytest.mark.parametrize(
    ("session", "code"),
    [
        ("{", "invalid_json"),
        ("[]", "invalid_type"),
        ('{"type": "transcription"}', "unsupported_session_type"),
        ('{"type": "realtime", "instructions": 3}', "invalid_type"),
        ("[" * 5_000 + "]" * 5_000, "invalid_json"),
    ],
)
async def test_settings_that_cannot_be_are_refused(session: str, code: str) -> None:
    async with serving() as running, httpx.AsyncClient(trust_env=False) as client:
        form = {"sdp": (None, await offer()), "session": (None, session)}
        answer = await client.post(f"{url(running)}/v1/realtime/calls", files=form)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), answer.text
        assert len(running.app.state.sessions) == 0


async def test_an_offer_whose_connection_cannot_be_closed_is_refused_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: RTCPeerConnection) -> None:
        raise AttributeError("half made")

    monkeypatch.setattr(RTCPeerConnection, "close", fail)
    sdp = "v=0\r\nm=audio x\r\na=fingerprint:sha-256 00\r\n"
    async with serving() as running, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{url(running)}/v1/realtime/calls", content=sdp, headers=SDP)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_offer")
        assert len(running.app.state.sessions) == 0
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_an_upload_that_breaks_off_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "realtime.app")
    async with serving() as running:
        host, port = running.address.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/realtime/calls HTTP/1.1\r\nHost: {running.address}\r\nContent-Length: 1000\r\n"
        writer.write(f"{head}Content-Type: application/sdp\r\n\r\nv=0".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"{url(running)}/health")
        assert len(running.app.state.sessions) == 0
    assert [record.getMessage() for record in caplog.records] == ["a client left while it sent POST /v1/realtime/calls"]


async def test_a_call_without_opus_is_refused() -> None:
    sdp = (await offer()).replace("opus/48000/2", "speex/16000")
    sdp = "".join(f"{line}\r\n" for line in sdp.splitlines() if "PCM" not in line and "G722" not in line)
    async with serving() as running, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{url(running)}/v1/realtime/calls", content=sdp, headers=SDP)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_offer")


async def test_video_and_a_second_microphone_are_left_out() -> None:
    phone = Phone()
    for kind in ("audio", "audio", "video"):
        phone.connection.addTransceiver(kind)
    await phone.connection.setLocalDescription(await phone.connection.createOffer())
    async with serving() as running, httpx.AsyncClient(trust_env=False) as client:
        sdp = phone.connection.localDescription.sdp
        answer = await client.post(f"{url(running)}/v1/realtime/calls", content=sdp, headers=SDP)
        assert answer.text.count("a=sendrecv") == 1
        assert answer.text.count("a=inactive") == 2
    await phone.connection.close()


async def test_a_full_server_says_so() -> None:
    async with serving(max_sessions=1) as running, ring(url(running)) as first:
        with pytest.raises(ConnectionFailed, match=r"\(503\).*session_limit_reached"):
            async with ring(url(running)):
                pass
        await until(first, "session.created")
        assert len(running.agents) == 1


async def test_calls_need_the_key_and_the_guard_lets_allowed_pages_in() -> None:
    guard = Guard("127.0.0.1", Access(KeyRing("secret")), ("https://app.example",))
    async with serving(guard=guard) as running:
        async with ring(url(running), api_key="secret") as phone:
            await until(phone, "session.created")
        with pytest.raises(ConnectionFailed, match=r"\(401\)"):
            async with ring(url(running)):
                pass
        async with httpx.AsyncClient(trust_env=False) as client:
            asks = {
                "Origin": "https://app.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,x-openai-agents-sdk",
            }
            answer = await client.options(f"{url(running)}/v1/realtime/calls", headers=asks)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == "https://app.example"
            answer = await client.options(
                f"{url(running)}/v1/realtime/calls", headers=asks | {"Origin": "https://evil.example"}
            )
            assert "access-control-allow-origin" not in answer.headers


async def test_clients_with_the_key_get_the_relay_s_credentials() -> None:
    stun = RTCIceServer(["stun:a.example"])
    turn = RTCIceServer(["turn:a.example"], "me", "secret word")
    bounds = Limits(max_sessions=1, session_minutes=1, max_event_bytes=1000, send_timeout_s=1)
    offer = Offer(SETTINGS, ("joe",), "whisper-tiny.en", "en")
    service = Service(lambda: offer, {}, lambda settings, outlet, items: SpeakingAgent(settings, outlet))
    app = create_app(service, Guard("127.0.0.1", Access(KeyRing("secret"))), bounds, ice_servers=[stun, turn])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        known: list[object] = [{"urls": ["stun:a.example"]}]
        assert (await client.get("/health")).json()["ice_servers"] == known
        known.append({"urls": ["turn:a.example"], "username": "me", "credential": "secret word"})
        answer = await client.get("/health", headers={"Authorization": "Bearer secret"})
        assert answer.json()["ice_servers"] == known


async def test_a_hush_stops_the_sound_and_the_agent_learns_what_was_played() -> None:
    async with serving(InterruptedAgent) as running, ring(url(running)) as phone:
        await phone.send({"type": "response.create"})
        await until(phone, "output_audio_buffer.started")
        await phone.listen(lambda sound: level(sound[-800:]) > 0.1)
        await phone.send({"type": "output_audio_buffer.clear"})
        assert await kinds_until(phone, "conversation.item.truncated") == [
            "response.done",
            "output_audio_buffer.cleared",
            "conversation.item.truncated",
        ]
        heard_s = length(await phone.listen(is_over))
        agent = running.agents[0]
        assert isinstance(agent, InterruptedAgent)
        assert agent.played is not None
        assert agent.played % 480 == 0
        assert agent.played / RATE - 0.02 < heard_s < 3


async def test_what_is_ahead_is_bounded() -> None:
    async with serving(EndlessAgent) as running, ring(url(running)) as phone:
        await phone.send({"type": "response.create"})
        await until(phone, "output_audio_buffer.started")
        agent = running.agents[0]
        assert isinstance(agent, EndlessAgent)
        assert agent.spoken_s <= 4


async def test_events_that_are_wrong_are_answered_and_long_ones_pass_both_ways() -> None:
    async with serving(max_event_bytes=300_000) as running, ring(url(running)) as phone:
        await until(phone, "session.created")
        await phone._channel.send("{")
        assert (await phone.receive())["error"]["code"] == "invalid_json"
        for length, kind in ((100_000, "session.updated"), (200_000, "session.updated")):
            session = {"type": "realtime", "instructions": "x" * length}
            await phone.send({"type": "session.update", "session": session})
            assert len((await until(phone, kind))["session"]["instructions"]) == length
        assert [len(c.settings.instructions) for c in running.agents[0].seen if isinstance(c, Update)] == [
            100_000,
            200_000,
        ]


async def test_a_session_ends_when_its_time_is_up() -> None:
    async with serving(session_minutes=0.1) as running, ring(url(running)) as phone:
        while (event := await phone.receive())["type"] != "error":
            pass
        assert event["error"]["code"] == "session_expired"
        with pytest.raises(Closed):
            await phone.receive()
        await running.agents[0].ended.wait()


async def test_an_agent_that_fails_ends_its_own_call_only() -> None:
    async with serving(FailingAgent) as running, ring(url(running)) as phone, ring(url(running)) as other:
        await until(other, "session.created")
        await phone.send({"type": "response.create"})
        while (event := await phone.receive())["type"] != "error":
            pass
        assert event["error"]["code"] == "internal_error"
        await other.send({"type": "session.update", "session": {"type": "realtime"}})
        await until(other, "session.updated")


@pytest.mark.parametrize("how", ["the client closes", "the channel closes", "the server shuts down"])
async def test_nothing_is_left_of_a_call(how: str) -> None:
    sockets_before = sockets()
    async with serving(EndlessAgent) as running:
        tasks_before, sockets_of_server = asyncio.all_tasks(), sockets()
        phone = Phone()
        await phone.connect(url(running))
        await phone.send({"type": "response.create"})
        await until(phone, "output_audio_buffer.started")
        match how:
            case "the client closes":
                await phone.close()
            case "the channel closes":
                await phone._channel.close()
            case "the server shuts down":
                running.server.should_exit = True
                with pytest.raises(Closed):
                    await until(phone, "never")
        await running.agents[0].ended.wait()
        await running.app.state.sessions.close()
        await phone.close()
        assert len(running.app.state.sessions) == 0
        assert not [thread for thread in threading.enumerate() if thread.name.endswith("decoder")]
        if how != "the server shuts down":
            for _ in range(20):
                await asyncio.sleep(0)
            left = asyncio.all_tasks() - tasks_before
            assert not left, left
            assert sockets() <= sockets_of_server
    assert sockets() <= sockets_before


async def test_a_client_that_vanishes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.02)
    async with serving() as running:
        async with Relay(loss=0, jitter_s=0) as relay:
            phone = Phone()
            await phone.connect(url(running), relay=relay)
            await until(phone, "session.created")
        await running.agents[0].ended.wait()
        await running.app.state.sessions.close()
        await phone.close()


async def test_a_call_that_never_connects_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.webrtc.call._CONNECT_S", 0.05)
    async with serving() as running, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{url(running)}/v1/realtime/calls", content=await offer(), headers=SDP)
        assert answer.status_code == 201
        await running.agents[0].ended.wait()
        await running.app.state.sessions.close()


async def test_a_connection_that_closes_slowly_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    release, closed, close = asyncio.Event(), asyncio.Event(), RTCPeerConnection.close

    async def close_slowly(connection: RTCPeerConnection) -> None:
        await release.wait()
        await close(connection)
        closed.set()

    async with serving() as running, httpx.AsyncClient(trust_env=False) as client:
        offered = await offer()
        monkeypatch.setattr("realtime.webrtc.call._CLOSE_S", 0.01)
        monkeypatch.setattr(RTCPeerConnection, "close", close_slowly)
        answer = await client.post(f"{url(running)}/v1/realtime/calls", content=offered, headers=SDP)
        hung_up = await client.post(f"http://{running.address}{answer.headers['location']}/hangup")
        assert (answer.status_code, hung_up.status_code) == (201, 200)
        await running.agents[0].ended.wait()
        await running.app.state.sessions.vacant()
        release.set()
        await closed.wait()
