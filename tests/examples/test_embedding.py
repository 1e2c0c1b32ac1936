"""The payloads of docs/embedding.md and docs/protocol.md, against a conversation that sends and receives them."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from audio.pcm import silence
from realtime.protocol.audio_format import WIRE_RATE, AudioFormat
from tests.docs.documents import blocks
from tests.examples.running import TOLD_TIME, serving_a_model_that_calls
from tests.support.speech import recordings

Event = dict[str, Any]

_QUESTION = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What time is it?"}]}


def shown(document: str) -> Iterator[list[Event]]:
    """The objects of each JSON block."""
    for block in blocks("json"):
        if block.document == document:
            text, objects = block.text.strip(), []
            while text:
                found, end = json.JSONDecoder().raw_decode(text)
                objects.append(found)
                text = text[end:].lstrip()
            yield objects


def is_part(shown: object, sent: object, key: str = "") -> bool:
    """Whether what a document shows is in what was sent. Ids and sound differ from run to run; their type does not."""
    if isinstance(shown, dict) and isinstance(sent, dict):
        return all(name in sent and is_part(value, sent[name], name) for name, value in shown.items())
    if isinstance(shown, list) and isinstance(sent, list):
        return len(shown) == len(sent) and all(is_part(*pair, key) for pair in zip(shown, sent, strict=True))
    return shown == sent or (type(shown) is type(sent) and (key == "id" or key.endswith("_id") or key == "delta"))


async def until_done(connection: ClientConnection) -> list[Event]:
    """The events up to the next `response.done`."""
    events: list[Event] = []
    while not events or events[-1]["type"] != "response.done":
        events.append(json.loads(await connection.recv()))
        assert events[-1]["type"] != "error", events[-1]
    return events


async def send(connection: ClientConnection, *events: Event) -> None:
    for event in events:
        await connection.send(json.dumps(event))


async def test_the_payloads_are_those_of_a_conversation() -> None:
    declared, call, done, answered, sound, truncation = shown("embedding.md")
    async with serving_a_model_that_calls("get_time") as (url, model):
        async with connect(f"{url.replace('http', 'ws', 1)}/v1/realtime") as connection:
            await send(connection, *declared, {"type": "conversation.item.create", "item": _QUESTION})
            await send(connection, {"type": "response.create"})
            events = await until_done(connection)
            for expected in [*call, *done]:
                assert any(is_part(expected, event) for event in events), expected
            call_id = events[-1]["response"]["output"][0]["call_id"]
            answered[0]["item"]["call_id"] = call_id
            await send(connection, *answered)
            events = await until_done(connection)
            for expected in sound:
                expected.update(transcript=TOLD_TIME) if "transcript" in expected else None
                assert any(is_part(expected, event) for event in events), expected
            (item,) = events[-1]["response"]["output"]
            await send(connection, truncation[0] | {"item_id": item["id"]})
            assert json.loads(await connection.recv())["type"] == "conversation.item.truncated"
        assert model.asked[-1]["messages"][-1]["content"] == answered[0]["item"]["output"]


async def test_the_timeline_has_the_stages_that_are_shown(server: str) -> None:
    ((expected,),) = shown("protocol.md")
    spoken = np.concatenate([recordings()["turn_04"].pcm(WIRE_RATE), silence(3 * WIRE_RATE)])
    audio = base64.b64encode(AudioFormat("audio/pcm", WIRE_RATE).encode(spoken)).decode()
    async with connect(f"{server.replace('http', 'ws', 1)}/v1/realtime?timeline=1") as connection:
        await send(connection, {"type": "input_audio_buffer.append", "audio": audio})
        done = (await until_done(connection))[-1]
        timeline = json.loads(done["response"]["metadata"]["timeline"])
        assert timeline.keys() == expected.keys()
