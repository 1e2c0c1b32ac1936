"""Every voice can be cut off in the middle of a clause: the current chunk is the last, and nothing of it is kept."""

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

from audio.pcm import Pcm
from pipeline.commands import Cancel
from pipeline.events import OutputAudio, ResponseDone
from pipeline.voice_catalogue import VoiceCatalogue
from tests.support.small_pocket import small_pocket
from tests.support.speech_server import TONE_SERVER, Handler, SpeechServer, tone
from tests.support.talk import SETTINGS, Talk, talk
from tts.engines.coqui import CoquiSynthesizer
from tts.engines.kokoro import KokoroSynthesizer
from tts.engines.kokoro_graph import KokoroGraph, KokoroLatents, Layers
from tts.engines.piper import PiperSynthesizer
from tts.engines.speech_server import SpeechServerSynthesizer
from tts.engines.vits import Latents, VitsGraph
from tts.synthesizer import Clause, Synthesizer, Word

LONG = "The quick brown fox jumps over the lazy dog and then runs far away into the deep green woods."


@dataclass
class Watched:
    """A voice that computes a chunk only when allowed to. The memory that it holds meanwhile is counted."""

    synthesizer: Synthesizer
    first: int = 1
    """Model steps that it takes until there is audio."""
    begun: int = 0
    _let: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _held: int = 0
    _freed: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def begin(self) -> None:
        """Called before a chunk is computed: wait for permission."""
        self.count()
        self._let.acquire()

    def count(self) -> None:
        with self._changed:
            self.begun += 1
            self._changed.notify_all()

    def hold(self, thing: object) -> None:
        """Count `thing` as held until it is garbage collected."""
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
        """Allow everything, but in another process only once it knows that the client has left.

        A chunk takes no time in this test, whereas closing a connection does.
        """
        if isinstance(self.synthesizer, CoquiSynthesizer):
            async with asyncio.timeout(60):
                while await asyncio.to_thread(connections, self.synthesizer.pid) > 1:
                    pass
        self.let(1000)

    async def at_the_next(self) -> None:
        """Wait until the chunk after the first is being computed."""
        await self._until(lambda: self.begun == self.first + 1)

    async def forgotten(self) -> None:
        await self._until(lambda: 0 < self._held == self._freed)

    async def _until(self, condition: Callable[[], bool]) -> None:
        def wait() -> None:
            with self._changed:
                assert self._changed.wait_for(condition, 60)

        await asyncio.to_thread(wait)


@pytest.fixture
def watched_piper(piper: PiperSynthesizer, monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched, decode = Watched(piper), VitsGraph.decode

    def led(vits: VitsGraph, latents: Latents, start: int, end: int, run: RunOptions) -> Pcm:
        watched.hold(latents.values)
        watched.begin()
        return decode(vits, latents, start, end, run)

    monkeypatch.setattr(VitsGraph, "decode", led)
    return watched


@pytest.fixture
def watched_kokoro(kokoro: KokoroSynthesizer, monkeypatch: pytest.MonkeyPatch) -> Watched:
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
    with (
        SpeechServer() as server,
        closing(SpeechServerSynthesizer(f"http://127.0.0.1:{server.server_port}/v1", ["nova"])) as http,
    ):
        watched = Watched(http)

        def led(handler: Handler) -> None:
            watched.take()
            handler.begin()
            watched.begin()
            handler.send(tone(0.3))
            handler.wfile.flush()
            watched.count()
            # The client leaves while nothing arrives.
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
    """A voice in its own process, which reports each step."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with closing(CoquiSynthesizer(f"led by {server.getsockname()[1]}", ["ann"], server=TONE_SERVER)) as xtts:
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
    """Number of TCP connections of the process `pid` that are still established."""
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
    for _ in range(8):
        await person.be_silent(0.3)
        await person.settled()


@pytest.mark.parametrize("cut", [cancelled, broken_in])
async def test_an_answer_that_is_cut_off_makes_no_more(
    watched: Watched, cut: Callable[[Talk], Awaitable[None]]
) -> None:
    session = replace(SETTINGS, voice=watched.synthesizer.voices[0].name)
    choir = VoiceCatalogue.of(watched.synthesizer)
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
