"""The endpoints for speech around scripted models: what clients send and get."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from audio.pcm import Pcm
from pipeline.runtime.workers import Urgency
from realtime.protocol.session_config import Offer
from realtime.speech import transcription
from realtime.speech.audio_files import FileWriter, read_audio
from realtime.speech.routes import speech_routes
from realtime.speech.transcription import pieces
from tests.support import scripted
from tests.support.talk import SETTINGS

OFFER = Offer(SETTINGS, voices=(SETTINGS.voice,), transcriber="scripted", language="en")


@asynccontextmanager
async def serving(heard: Sequence[str | Exception] = ()) -> AsyncIterator[httpx.AsyncClient]:
    engine = scripted.engine(heard, [])
    app = Starlette(routes=speech_routes(engine, lambda: OFFER))
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
            yield client
    finally:
        engine.workers.close()


def spoken(seconds: float) -> bytes:
    writer = FileWriter("wav", 16_000)
    return writer.push(np.full(round(seconds * 16_000), 0.3, np.float32)) + writer.finish()


async def test_text_becomes_a_sound_file() -> None:
    async with serving() as client:
        wanted = {"model": "tts-1", "voice": "alloy", "input": "Nice to meet you.", "response_format": "wav"}
        answer = await client.post("/v1/audio/speech", json=wanted)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "audio/wav"
        assert len(read_audio(answer.content, 10)) / 16_000 == pytest.approx(4 * 0.2, abs=0.05)


async def test_speech_comes_as_events_where_they_are_asked_for() -> None:
    async with serving() as client:
        wanted = {"input": "Nice to meet you.", "response_format": "pcm", "stream_format": "sse"}
        answer = await client.post("/v1/audio/speech", json=wanted)
        events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
        assert [event["type"] for event in events[-2:]] == ["speech.audio.delta", "speech.audio.done"]


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({}, "input"),
        ({"input": "Hi.", "voice": "hal"}, "hal"),
        ({"input": "Hi.", "response_format": "midi"}, "response_format"),
        ({"input": "Hi.", "speed": 9}, "speed"),
        ({"input": "a" * 4_097}, "input"),
    ],
)
async def test_a_wrong_wish_for_speech_is_refused(wanted: dict[str, object], named: str) -> None:
    async with serving() as client:
        answer = await client.post("/v1/audio/speech", json=wanted)
        assert answer.status_code == 400
        assert named in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("response_format", "expected"),
    [
        ("text", "Hello there.\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:01,000\nHello there.\n\n"),
        ("vtt", "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.000\nHello there.\n\n"),
    ],
)
async def test_a_sound_file_becomes_text(response_format: str, expected: str) -> None:
    async with serving(["Hello there."]) as client:
        fields = {"model": "whisper-1", "response_format": response_format}
        answer = await client.post("/v1/audio/transcriptions", data=fields, files={"file": ("a.wav", spoken(1))})
        assert answer.status_code == 200
        assert answer.text == expected


async def test_a_transcript_is_streamed_piece_by_piece() -> None:
    async with serving(["Hello", "there."]) as client:
        fields = {"model": "whisper-1", "stream": "true"}
        answer = await client.post("/v1/audio/transcriptions", data=fields, files={"file": ("a.wav", spoken(30))})
        events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
        assert events == [
            {"type": "transcript.text.delta", "delta": "Hello"},
            {"type": "transcript.text.delta", "delta": " there."},
            {"type": "transcript.text.done", "text": "Hello there."},
        ]


async def test_a_wrong_wish_for_a_transcript_is_refused() -> None:
    async with serving() as client:
        for fields, files, code in [
            ({"model": "x"}, {"other": ("a.wav", b"")}, "missing_required_parameter"),
            ({"response_format": "poem"}, {"file": ("a.wav", spoken(1))}, "invalid_value"),
            ({}, {"file": ("a.wav", b"no audio")}, "invalid_audio"),
        ]:
            answer = await client.post("/v1/audio/transcriptions", data=fields, files=files)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_files_that_wait_are_not_decoded_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of speech is a small file, and 230 MB of audio."""
    decoded, four, waiting = [], threading.Event(), threading.Event()

    def noted(data: bytes, longest_s: float) -> Pcm:
        decoded.append(data)
        if len(decoded) == 4:
            four.set()
        return read_audio(data, longest_s)

    monkeypatch.setattr(transcription, "read_audio", noted)
    engine = scripted.engine(["Hello."] * 6, [])
    app = Starlette(routes=speech_routes(engine, lambda: OFFER))
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
            held = asyncio.create_task(engine.workers.run(Urgency.DETECT, waiting.wait))
            posted = [
                asyncio.create_task(client.post("/v1/audio/transcriptions", files={"file": ("a.wav", spoken(1))}))
                for _ in range(6)
            ]
            await asyncio.to_thread(four.wait, 60)
            await asyncio.wait(posted, timeout=0.2)
            assert len(decoded) == 4
            waiting.set()
            assert [answer.status_code for answer in await asyncio.gather(*posted)] == [200] * 6
            await held
    finally:
        waiting.set()
        engine.workers.close()


async def test_models_are_listed() -> None:
    async with serving() as client:
        listed = (await client.get("/v1/models")).json()
        assert listed["data"][0]["id"] == "antiphon"
        assert (await client.get("/v1/models/antiphon")).json()["object"] == "model"
        assert (await client.get("/v1/models/gpt-9")).status_code == 404


@given(st.floats(0, 100), st.integers(0, 2**32 - 1))
def test_pieces_follow_each_other_and_none_is_too_long(seconds: float, seed: int) -> None:
    pcm = np.random.default_rng(seed).standard_normal(round(seconds * 16_000), np.float32)
    bounds = list(pieces(pcm))
    assert [first for first, _ in bounds] == [0, *(last for _, last in bounds)][: len(bounds)]
    assert not bounds or bounds[-1][1] == len(pcm)
    assert all(0 < last - first <= 24 * 16_000 for first, last in bounds)
