"""What operators see of real sessions over real sockets; only the agent is a stand-in."""

import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from openai import AsyncOpenAI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import InvalidStatus

from bench.callers.phone import ring
from pipeline import events as on
from pipeline.commands import Respond
from pipeline.conversation.items import Message
from pipeline.runtime.timeline import Timeline
from realtime.access.access import Access
from realtime.access.api_keys import KeyRing
from realtime.observability.session_log import SessionLog
from realtime.observability.traces import Traces
from realtime.sessions.guard import Guard
from tests.support.realtime_server import FailingAgent, Running, ScriptedAgent, serving

SECRET = "the-words-of-a-person"
HELLO = {
    "type": "conversation.item.create",
    "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": SECRET}]},
}
KEYED = Guard("127.0.0.1", Access(KeyRing("sesame")))
BEARER = {"Authorization": "Bearer sesame"}


class SpokenAgent(ScriptedAgent):
    """Answers as if it had been spoken to, and is cut off where the client asks for that by metadata."""

    async def answer(self, command: Respond) -> None:
        timeline = Timeline()
        timeline.stamp("speech_ended")
        for stage in ("turn_decided", "first_token", "first_audio"):
            timeline.stamp(stage)
        said = Message("item_1", "assistant", SECRET, spoken=True)
        self.outlet.emit(on.Transcribed("item_0", "", final=SECRET))
        self.outlet.emit(on.ResponseStarted("resp_1", "audio", "joe", None, True, {}))
        self.outlet.emit(on.OutputAdded("resp_1", 0, Message("item_1", "assistant", "", True, "in_progress")))
        self.outlet.emit(on.OutputAudio("resp_1", 0, "item_1", np.zeros(480, np.float32), timeline))
        self.outlet.emit(on.OutputDone("resp_1", 0, said))
        match command.metadata.get("end"):
            case "barge_in":
                self.outlet.emit(on.ResponseDone("resp_1", "completed", None, None, (said,), on.Usage(), timeline))
                self.outlet.emit(on.ItemTruncated("item_1", 4.0, unasked=True))
            case "cut_in":
                self.outlet.emit(on.ResponseDone("resp_1", "completed", None, None, (said,), on.Usage(), timeline))
                self.outlet.emit(on.ItemTruncated("item_1", 0.4, unasked=True))
            case "fault":
                failed = on.ResponseDone("resp_1", "failed", None, "?", (), on.Usage(), timeline, fault="decoder")
                self.outlet.emit(failed)
            case _:
                usage = on.Usage(100, 80, 20, 1.5)
                self.outlet.emit(on.ResponseDone("resp_1", "completed", None, None, (said,), usage, timeline))


async def respond(running: Running, metadata: dict[str, str] | None = None, **options: Any) -> None:  # noqa: ANN401
    async with running.connect(**options) as client:
        await client.send(json.dumps(HELLO))
        await client.send(json.dumps({"type": "response.create", "response": {"metadata": metadata or {}}}))
        while json.loads(await client.recv())["type"] != "response.done":
            pass
    await running.agents[-1].ended.wait()


async def metrics(running: Running, headers: dict[str, str] | None = None) -> dict[str, float]:
    """Every sample by its name and labels, as in 'name{label="value"}'."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{running.address}/metrics", headers=headers)
    return {
        sample.name + (json.dumps(sample.labels) if sample.labels else ""): sample.value
        for family in text_string_to_metric_families(answer.raise_for_status().text)
        for sample in family.samples
    }


async def test_sessions_answers_and_their_stages_are_counted() -> None:
    async with serving(SpokenAgent) as running:
        await respond(running)
        seen = await metrics(running)
    assert seen["antiphon_sessions"] == 0
    assert seen["antiphon_max_sessions"] == 2
    assert seen['antiphon_sessions_begun_total{"transport": "websocket"}'] == 1
    assert seen['antiphon_sessions_ended_total{"reason": "client_left"}'] == 1
    assert seen["antiphon_session_seconds_count"] == 1
    assert seen['antiphon_responses_total{"status": "completed"}'] == 1
    assert seen['antiphon_first_packet_seconds_count{"transport": "websocket"}'] == 1
    assert seen['antiphon_tokens_total{"kind": "cached"}'] == 80
    assert seen['antiphon_tokens_total{"kind": "output"}'] == 20
    assert seen["antiphon_output_audio_seconds_total"] == 1.5
    assert seen['antiphon_queue_depth{"queue": "outbox"}'] == 0
    for stage in ("speech_ended", "turn_decided", "first_token", "first_audio", "first_packet"):
        assert seen[f'antiphon_stage_seconds_count{{"stage": "{stage}"}}'] == 1
    assert "process_open_fds" in seen


@pytest.mark.parametrize(
    ("end", "name"),
    [
        ("barge_in", 'antiphon_interruptions_total{"kind": "barge_in"}'),
        ("cut_in", 'antiphon_interruptions_total{"kind": "cut_in"}'),
        ("fault", 'antiphon_upstream_errors_total{"role": "decoder"}'),
    ],
)
async def test_what_goes_wrong_is_counted_by_its_kind(end: str, name: str) -> None:
    async with serving(SpokenAgent) as running:
        assert name not in await metrics(running)
        await respond(running, {"end": end})
        assert (await metrics(running))[name] == 1


async def test_a_call_counts_as_one() -> None:
    async with serving(SpokenAgent) as running:
        async with ring(f"http://{running.address}"):
            assert (await metrics(running))["antiphon_sessions"] == 1
        await running.agents[0].ended.wait()
        assert (await metrics(running))['antiphon_sessions_begun_total{"transport": "webrtc"}'] == 1


async def test_refusals_are_counted_by_reason_and_the_metrics_need_the_key() -> None:
    async with serving(guard=KEYED, max_sessions=1) as running:
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            await metrics(running)
        with pytest.raises(InvalidStatus):
            await running.connect(additional_headers={"Authorization": "Bearer wrong"})
        async with running.connect(additional_headers=BEARER) as client:
            await client.recv()
            async with running.connect(additional_headers=BEARER) as late:
                assert json.loads(await late.recv())["error"]["code"] == "session_limit_reached"
        seen = await metrics(running, BEARER)
        assert seen['antiphon_refusals_total{"reason": "invalid_api_key"}'] == 2
        assert seen['antiphon_refusals_total{"reason": "session_limit_reached"}'] == 1


async def test_an_ephemeral_key_does_not_open_the_metrics() -> None:
    async with (
        serving(guard=KEYED) as running,
        AsyncOpenAI(api_key="sesame", base_url=f"http://{running.address}/v1") as client,
    ):
        secret = (await client.realtime.client_secrets.create()).value
        with pytest.raises(httpx.HTTPStatusError, match="403"):
            await metrics(running, {"Authorization": f"Bearer {secret}"})


async def test_a_loop_that_stands_is_seen() -> None:
    async with serving() as running:
        async for seen in standing(running):
            buckets = [seen[f'antiphon_loop_lag_seconds_bucket{{"le": "{most}"}}'] for most in ("0.25", "+Inf")]
            if buckets[0] < buckets[1]:
                break


async def standing(running: Running) -> AsyncIterator[dict[str, float]]:
    """Holds the loop for longer than it should, and reads the metrics, again and again."""
    while True:
        time.sleep(0.6)  # noqa: ASYNC251 - this is the fault that is to be seen
        yield await metrics(running)


@asynccontextmanager
async def logged(
    caplog: pytest.LogCaptureFixture, words: bool, agent: type[ScriptedAgent] = SpokenAgent
) -> AsyncIterator[Running]:
    caplog.set_level(logging.DEBUG)
    async with serving(agent, guard=KEYED, observers=[SessionLog(words)]) as running:
        yield running


def records(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.getMessage() == message]


async def test_a_session_is_logged_with_its_peer_key_reason_and_length(caplog: pytest.LogCaptureFixture) -> None:
    async with logged(caplog, words=False) as running:
        await respond(running, additional_headers=BEARER)
        with pytest.raises(InvalidStatus):
            await running.connect()
    [begun], [ended] = records(caplog, "session begun"), records(caplog, "session ended")
    assert begun["session"] == ended["session"]
    assert (begun["transport"], begun["peer"], begun["key"]) == ("websocket", "127.0.0.1", "api_key")
    assert (ended["reason"], ended["answers"]) == ("client_left", 1)
    assert ended["seconds"] >= 0
    [refused] = records(caplog, "request refused")
    assert (refused["code"], refused["peer"], refused["path"]) == ("invalid_api_key", "127.0.0.1", "/v1/realtime")


@pytest.mark.parametrize("agent", [SpokenAgent, FailingAgent])
async def test_no_word_of_a_conversation_and_no_key_is_logged(
    caplog: pytest.LogCaptureFixture, agent: type[ScriptedAgent]
) -> None:
    async with logged(caplog, words=False, agent=agent) as running:
        async with running.connect(additional_headers=BEARER) as client:
            await client.send(json.dumps(HELLO))
            await client.send(json.dumps({"type": "response.create", "response": {"instructions": SECRET}}))
            while json.loads(await client.recv())["type"] not in ("response.done", "error"):
                pass
        await running.agents[0].ended.wait()
    assert records(caplog, "session ended")
    ours = [record for record in caplog.records if not record.name.startswith("websockets")]
    assert SECRET not in "".join(str(vars(record)) for record in ours)
    assert "sesame" not in "".join(str(vars(record)) for record in ours)


async def test_words_are_logged_where_they_are_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    async with logged(caplog, words=True) as running:
        await respond(running, additional_headers=BEARER)
    assert [records(caplog, message)[0]["words"] for message in ("heard", "said")] == [SECRET, SECRET]


async def test_a_trace_has_a_span_for_the_session_its_turns_and_their_stages() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with serving(SpokenAgent, observers=[Traces(provider)]) as running:
        await respond(running)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    session, turn = spans["session"], spans["turn"]
    assert session.attributes
    assert session.attributes["antiphon.reason"] == "client_left"
    assert turn.parent
    assert turn.parent.span_id == session.context.span_id
    stages = [spans[name] for name in ("speech_ended", "turn_decided", "first_token", "first_audio", "first_packet")]
    assert all(stage.parent and stage.parent.span_id == turn.context.span_id for stage in stages)
    times = [time for stage in stages for time in (stage.start_time, stage.end_time)]
    assert times == sorted(time for time in times if time is not None)
    assert (turn.start_time, turn.end_time) == (times[0], times[-1])
    assert session.start_time is not None
    assert turn.start_time is not None
    assert session.start_time <= turn.start_time
