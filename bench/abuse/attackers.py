"""Hostile and unlucky clients, each with an address of its own in the loopback network, so with limits of its own."""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bench.abuse.mutations import VALID, mutated

_LOST = (OSError, WebSocketException, TimeoutError, asyncio.IncompleteReadError, httpx.HTTPError, RuntimeError)
"""What a client that is turned away meets; the last when it writes to a transport that is closing."""
_LARGEST_EVENT = 4 * 2**20
_REPLY_S = 120.0
"""A server that does not answer a valid event for so long is stuck. Before it, a session may have minutes of audio."""
_WITHOUT_END = 10**9


@dataclass(slots=True)
class Damage:
    """What the attackers sent, and what the server did wrong meanwhile."""

    events: int = 0
    offers: int = 0
    offers_failed: int = 0
    """Offers that ended in a status of 500 or none."""
    sessions: int = 0
    refused: int = 0
    """Connections that were turned away or closed."""
    stuck: int = 0
    """Sessions that did not answer a valid event any more."""
    items: int = 0
    items_lost: int = 0
    """Items that were accepted and not there afterwards."""
    complaints: list[str] = field(default_factory=list)
    """What it said or did instead."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an attacker aims at, and from where."""

    port: int
    address: str
    """The attacker's own."""
    seed: int
    events: int = _WITHOUT_END
    """Mutated events to send at most."""
    offer: str = ""
    offers: int = _WITHOUT_END
    """Mutations of `offer` to send at most."""


Attacker = Callable[[Target, asyncio.Event, Damage], Coroutine[Any, Any, None]]
"""Attacks until the event is set, or it has done all that it was to do."""


def open_socket(port: int, address: str) -> connect:
    return connect(
        f"ws://127.0.0.1:{port}/v1/realtime", proxy=None, local_addr=(address, 0), max_size=2**24, open_timeout=20
    )


async def fuzz_events(target: Target, over: asyncio.Event, damage: Damage) -> None:
    """Send mutated events in sessions of a few hundred, and a valid one to each before it is left."""
    events = mutated(Random(target.seed), target.events, _LARGEST_EVENT)
    left = target.events
    while left and not over.is_set():
        try:
            async with open_socket(target.port, target.address) as client:
                damage.sessions += 1
                draining = asyncio.create_task(_drain(client))
                try:
                    for _ in range(min(left, 500)):
                        if over.is_set():
                            return
                        left -= 1
                        damage.events += 1
                        await client.send(next(events))
                finally:
                    draining.cancel()
                    await asyncio.wait({draining})
                damage.stuck += not await _answers(client)
        except _LOST:
            damage.refused += 1
            await asyncio.sleep(0.05)


async def _drain(client: ClientConnection) -> None:
    with suppress(*_LOST):
        async for _ in client:
            pass


async def _answers(client: ClientConnection) -> bool:
    """Whether the session still answers a valid event."""
    probe = {"type": "conversation.item.retrieve", "event_id": "probe", "item_id": "nothing"}
    try:
        async with asyncio.timeout(_REPLY_S):
            await client.send(json.dumps(probe))
            while True:
                event = json.loads(await client.recv())
                if event["type"] == "error" and event["error"].get("event_id") == "probe":
                    return True
    except TimeoutError:
        return False


async def fuzz_offers(target: Target, over: asyncio.Event, damage: Damage) -> None:
    """Send mutated offers, which never connect."""
    random = Random(target.seed)
    transport = httpx.AsyncHTTPTransport(local_address=target.address)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{target.port}",
        transport=transport,
        trust_env=False,
        timeout=_REPLY_S,
        headers={"connection": "close"},  # the server ends an idle connection, perhaps just when it is used again
    ) as client:
        left = target.offers
        while left and not over.is_set():
            left -= 1
            damage.offers += 1
            try:
                answer = await client.post(
                    "/v1/realtime/calls",
                    content=mutated_offer(target.offer, random),
                    headers={"content-type": "application/sdp"},
                )
                if answer.status_code in (500, 502, 504):
                    damage.offers_failed += 1
                    damage.complaints.append(f"an offer: {answer.status_code} {answer.text[:200]}")
                if answer.status_code == 201:
                    await client.post(f"{answer.headers['location']}/hangup")
            except _LOST as error:
                damage.offers_failed += 1
                damage.complaints.append(f"an offer: {error!r}")


def mutated_offer(offer: str, random: Random) -> bytes:
    lines = offer.splitlines()
    for _ in range(random.randrange(6)):
        at = random.randrange(len(lines))
        match random.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(random.randrange(len(lines)), lines[at])
            case 2:
                lines[at] = lines[at][: random.randrange(len(lines[at]) + 1)]
            case 3:
                lines[at] = lines[at].replace(random.choice("0123456789 :="), random.choice(["", "9" * 20, "\0", "é"]))
            case _:
                lines[at] += random.choice([" x", "\r", "=" * 1000, " -1", " 4294967296"])
        if not lines:
            return b""
    return "\r\n".join(lines).encode() + b"\r\n"


async def remember_items(target: Target, over: asyncio.Event, damage: Damage) -> None:
    """A careful client: it adds items and asks for each of them again."""
    while not over.is_set():
        try:
            async with open_socket(target.port, target.address) as client:
                for number in range(20):
                    item = {**VALID[6]["item"], "id": f"item_{number}"}
                    await client.send(json.dumps({"type": "conversation.item.create", "item": item}))
                    await client.send(json.dumps({"type": "conversation.item.retrieve", "item_id": item["id"]}))
                    async with asyncio.timeout(_REPLY_S):
                        damage.items += 1
                        damage.items_lost += not await _retrieved(client, item["id"], damage)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            damage.stuck += 1
        except _LOST:
            damage.refused += 1
            await asyncio.sleep(0.5)


async def _retrieved(client: ClientConnection, item_id: str, damage: Damage) -> bool:
    while True:
        event = json.loads(await client.recv())
        if event["type"] == "error":
            damage.complaints.append(f"{event['error']['code']}: {event['error']['message']}")
            return False
        if event["type"] == "conversation.item.retrieved":
            return bool(event["item"]["id"] == item_id)


async def vanish(target: Target, over: asyncio.Event, damage: Damage) -> None:
    """Ask for an answer, or send a long recording, and cut the connection."""
    long = json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 1_000_000})
    while not over.is_set():
        with suppress(*_LOST):
            client = await open_socket(target.port, target.address)
            damage.sessions += 1
            await client.send(long)
            await client.send('{"type":"response.create"}')
            await asyncio.sleep(0.1)
            client.transport.abort()
        await asyncio.sleep(0.2)


async def flood(target: Target, over: asyncio.Event, damage: Damage) -> None:
    """Send empty frames without end, and half a message."""
    while not over.is_set():
        with suppress(*_LOST):
            async with open_socket(target.port, target.address) as client:
                damage.sessions += 1
                client.transport.write(b"\x01\x80abcd" + b"\x00\x80abcd" * 20_000)
                async with asyncio.timeout(5):
                    await client.wait_closed()
        await asyncio.sleep(0.2)


_STARTS = (
    b"",
    b"GET / HTTP/1.1\r\nHost: local",
    b"POST /v1/realtime/calls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n"
    b"Content-Length: 9\r\n\r\nv",
)
"""Requests that are never finished: nothing, half a head, half a body."""


async def stall(target: Target, over: asyncio.Event, damage: Damage) -> None:
    """Hold connections that never say all of what they want."""
    while not over.is_set():
        writers = []
        for number in range(40):
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", target.port, local_addr=(target.address, 0))
                writer.write(_STARTS[number % len(_STARTS)])
                writers.append(writer)
        await asyncio.sleep(1)
        for writer in writers:
            writer.close()


async def read_nothing(target: Target, over: asyncio.Event, damage: Damage) -> None:
    """Ask for answer after answer and take nothing of them."""
    while not over.is_set():
        with suppress(*_LOST):
            client = await open_socket(target.port, target.address)
            damage.sessions += 1
            client.transport.pause_reading()
            async with asyncio.timeout(15):
                while not over.is_set():
                    await client.send('{"type":"session.update","session":{"type":"realtime"}}')
                    await asyncio.sleep(0.001)
            client.transport.abort()


async def _ask_on_and_on(
    target: Target, over: asyncio.Event, damage: Damage, questions: Callable[[int], list[dict[str, object]]]
) -> None:
    """Send the events of the next number as soon as the answer to those before is complete."""
    while not over.is_set():
        with suppress(*_LOST):
            async with open_socket(target.port, target.address) as client:
                damage.sessions += 1
                for number in count():
                    for event in questions(number):
                        await client.send(json.dumps(event))
                    while json.loads(await client.recv())["type"] != "response.done":
                        if over.is_set():
                            return
        await asyncio.sleep(0.05)


async def chatter(target: Target, over: asyncio.Event, damage: Damage) -> None:
    """Ask for the next long answer as soon as one is made, faster than anybody could listen."""
    await _ask_on_and_on(target, over, damage, lambda _: [VALID[8], {"type": "response.create"}])


async def burden(target: Target, over: asyncio.Event, damage: Damage) -> None:
    """Ask with other, long instructions each time, so that the decoder reads all of its context anew."""

    def question(number: int) -> list[dict[str, object]]:
        instructions = f"{number}. " + "Answer in rhymes, and count to ten before you do. " * 100
        fresh = {"instructions": instructions, "output_modalities": ["text"], "max_output_tokens": 1}
        return [{"type": "response.create", "response": {**fresh, "input": [VALID[6]["item"]]}}]

    await _ask_on_and_on(target, over, damage, question)


async def rush(target: Target, over: asyncio.Event, damage: Damage) -> None:
    """Send noise as speech, as fast as the server takes it."""
    random = Random(target.seed)
    audio = base64.b64encode(random.randbytes(48_000)).decode()
    noise = json.dumps({"type": "input_audio_buffer.append", "audio": audio})
    while not over.is_set():
        with suppress(*_LOST):
            async with open_socket(target.port, target.address) as client:
                damage.sessions += 1
                draining = asyncio.create_task(_drain(client))
                try:
                    while not over.is_set():
                        await client.send(noise)
                finally:
                    draining.cancel()
                    await asyncio.wait({draining})
        await asyncio.sleep(0.05)


ATTACKERS: Mapping[str, Attacker] = {
    "fuzz_events": fuzz_events,
    "fuzz_offers": fuzz_offers,
    "remember_items": remember_items,
    "vanish": vanish,
    "flood": flood,
    "stall": stall,
    "read_nothing": read_nothing,
    "chatter": chatter,
    "burden": burden,
    "rush": rush,
}
"""All kinds, by name."""
