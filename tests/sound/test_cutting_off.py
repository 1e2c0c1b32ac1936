"""Voices that are cut off in the middle of a clause: the chunk under way is the last, and nothing of it is kept."""

import asyncio
import socket
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
import torch
from onnxruntime import RunOptions

from pipeline.commands import Cancel
from pipeline.events import OutputAudio, ResponseDone
from pipeline.voices import Choir
from tests.pipeline.talk import SETTINGS, Talk, talk
from tests.tts.test_http import Handler, SpeechServer, tone
from tests.tts.test_pocket import small_pocket
from tests.tts.test_xtts import HUM
from tts.http import Http
from tts.kokoro import Kokoro
from tts.kokoro_graph import KokoroGraph, KokoroLatents, Layers
from tts.piper import Piper
from tts.synthesizer import Clause, Pcm, Synthesizer, Word
from tts.vits import Latents, Vits
from tts.xtts import Xtts

LONG = "The quick brown fox jumps over the lazy dog and then runs far away into the deep green woods."


@dataclass
class Watched:
    """A voice that makes a chunk only when it is let; what it holds meanwhile is looked after."""

    synthesizer: Synthesizer
    first: int = 1
    """Chunks of its model that make something to hear."""
    begun: int = 0
    _let: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _held: int = 0
    _freed: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def begin(self) -> None:
        """A chunk is to be made: wait until it may be."""
        self.count()
        self._let.acquire()

    def count(self) -> None:
        with self._changed:
            self.begun += 1
            self._changed.notify_all()

    def hold(self, thing: object) -> None:
        """As long as it lives."""
        self.take()
        weakref.finalize(thing, self.free)

    def take(self) -> None:
        with self._changed:
            self._held += 1

    def free(self) -> None:
        with self._changed:
            self._freed += 1
            self._changed.notify_all()

    def let(self, chunks: int) -> None:
        self._let.release(chunks)

    async def let_all(self) -> None:
        """Once a process knows that nobody listens: its chunk takes no time here, and the news does."""
        if isinstance(self.synthesizer, Xtts):
            async with asyncio.timeout(60):
                while await asyncio.to_thread(connections, self.synthesizer.pid) > 1:
                    pass
        self.let(1000)

    async def at_the_next(self) -> None:
        """Until the chunk behind the first is being made."""
        await self._until(lambda: self.begun == self.first + 1)

    async def forgotten(self) -> None:
        await self._until(lambda: 0 < self._held == self._freed)

    async def _until(self, condition: Callable[[], bool]) -> None:
        def wait() -> None:
            with self._changed:
                assert self._changed.wait_for(condition, 60)

        await asyncio.to_thread(wait)


@pytest.fixture
def watched_piper(piper: Piper, monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched, decode = Watched(piper), Vits.decode

    def led(vits: Vits, latents: Latents, start: int, end: int, run: RunOptions) -> Pcm:
        watched.hold(latents.values)
        watched.begin()
        return decode(vits, latents, start, end, run)

    monkeypatch.setattr(Vits, "decode", led)
    return watched


@pytest.fixture
def watched_kokoro(kokoro: Kokoro, monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched, decode = Watched(kokoro), KokoroGraph.decode

    def led(graph: KokoroGraph, latents: KokoroLatents, layers: Layers, start: int, end: int, run: RunOptions) -> Pcm:
        for thing in (latents.values, latents.harmonics, layers[0][0]):
            watched.hold(thing)
        watched.begin()
        return decode(graph, latents, layers, start, end, run)

    monkeypatch.setattr(KokoroGraph, "decode", led)
    return watched


@pytest.fixture
def watched_pocket(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Watched:
    pocket = small_pocket(tmp_path_factory.mktemp("pocket"))
    watched, step = Watched(pocket, first=3), pocket.model._run_flow_lm_and_increment_step

    def led(**inputs: object) -> object:
        if "backbone_input_latents" in inputs:
            hold(inputs["model_state"])
            watched.begin()
        return step(**inputs)

    def hold(thing: object) -> None:
        if isinstance(thing, dict):
            for part in thing.values():
                hold(part)
        elif isinstance(thing, torch.Tensor):
            watched.hold(thing)

    monkeypatch.setattr(pocket.model, "_run_flow_lm_and_increment_step", led)
    return watched


@pytest.fixture
def watched_http() -> Iterator[Watched]:
    with SpeechServer() as server, closing(Http(f"http://127.0.0.1:{server.server_port}/v1", ["nova"])) as http:
        watched = Watched(http)

        def led(handler: Handler) -> None:
            watched.take()
            handler.begin()
            watched.begin()
            handler.send(tone(0.3))
            handler.wfile.flush()
            watched.count()
            # The listener leaves while nothing comes.
            assert handler.connection.recv(1) == b""
            handler.close_connection = True
            watched.free()

        server.bodies.append(led)
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield watched
        server.shutdown()
        serving.join()


@pytest.fixture
def watched_xtts() -> Iterator[Watched]:
    """In its process, which tells what it does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with closing(Xtts(f"led by {server.getsockname()[1]}", ["ann"], server=HUM)) as xtts:
            watched, led = Watched(xtts), server.accept()[0]

            def lead() -> None:
                while said := led.recv(1):
                    if said == b"f":
                        watched.free()
                        continue
                    if not watched.begun:
                        watched.take()
                    watched.begin()
                    led.send(b"!")

            leading = threading.Thread(target=lead)
            leading.start()
            yield watched
        leading.join()
        led.close()


def connections(pid: int) -> int:
    """Of a process: those that its peer has not closed."""
    sockets = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[3] == "01" and f"socket:[{line[9]}]" in sockets for line in lines)


@pytest.fixture(params=["piper", "kokoro", "pocket", "http", "xtts"])
def watched(request: pytest.FixtureRequest) -> Watched:
    found: Watched = request.getfixturevalue(f"watched_{request.param}")
    return found


async def test_dropped_it_makes_no_more(watched: Watched) -> None:
    clause = Clause(tuple(Word(word, word) for word in LONG.strip(".").split()), ".")
    voice = watched.synthesizer.open(watched.synthesizer.voices[0].name)
    chunks = voice.speak(clause)
    assert watched.begun == 0
    watched.let(watched.first)
    assert (await asyncio.to_thread(partial(next, chunks))).pcm.size
    del chunks
    await watched.let_all()
    await watched.forgotten()
    assert watched.begun <= watched.first + voice.waits


async def cancelled(person: Talk) -> None:
    await person.do(Cancel())


async def broken_in(person: Talk) -> None:
    person.encoder.overheard = "No, stop."
    await person.be_silent(0.1)
    await person.settled()
    await person.break_in(1.0)
    for _ in range(2):
        await person.be_silent(0.3)
        await person.settled()


@pytest.mark.parametrize("cut", [cancelled, broken_in])
async def test_an_answer_that_is_cut_off_makes_no_more(
    watched: Watched, cut: Callable[[Talk], Awaitable[None]]
) -> None:
    session = replace(SETTINGS, voice=watched.synthesizer.voices[0].name)
    choir = Choir.of(watched.synthesizer)
    async with talk(["Tell me a story.", "No, stop."], [LONG, ""], session=session, choir=choir, threads=2) as person:
        try:
            watched.let(watched.first)
            await person.ask()
            await watched.at_the_next()
            await person.until(OutputAudio)
            await person.settled()
            await cut(person)
            done = await person.until(ResponseDone)
            await person.settled()
            assert done.status == "cancelled"
            await watched.let_all()
            await watched.forgotten()
        finally:
            watched.let(1000)
        assert watched.begun == watched.first + 1
