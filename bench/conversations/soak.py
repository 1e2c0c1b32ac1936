"""A long call, faster than real time: growth of memory, clock drift, and tasks and files left open."""

import asyncio
import ctypes
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from openai.types.realtime import (
    InputAudioBufferSpeechStartedEvent,
    RealtimeSessionCreateRequest,
    ResponseAudioDeltaEvent,
    SessionUpdateEvent,
)
from rich.console import RenderableType
from rich.table import Table

from audio.pcm import Pcm, silence
from bench.corpus import BadCorpus, Recording
from bench.report import GOOD
from realtime.protocol.audio_format import WIRE_RATE
from realtime.protocol.parsing import ServerEvent
from realtime.terminal.client import Connection, audio_of, connect

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("turn", "barge_in")

_EVERY_S = 30.0
"""Time from one question to the next."""
_BARGE_IN_EVERY = 4
"""One of this many answers is interrupted."""
_MAX_TOKENS = 60
"""Most tokens of an answer, so that it ends before the next question."""
_WARM_UP = 1 / 6
"""Share of the call after which memory should have settled."""
_BLOCK = WIRE_RATE // 10
_PATIENCE_S = 60
_SILENCED_S = 10
"""Longest wait for the answer to an interruption: one that only asks for silence gets none."""
_CLEARED_UP_S = 1.0
"""Time in which everything of a call should have been freed."""
_PROCESS = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer."""

    at_s: float
    """When it was asked, in conversation time."""
    answered: bool
    broken_into: bool
    memory_mib: float | None
    """Memory of the server's process after the turn; None: unknown."""
    clock_ms: float | None
    """Start of the question by the server's clock minus that by the caller's; None: the server detected no speech."""


@dataclass(frozen=True, slots=True)
class Report:
    """Results of a long call."""

    seconds: float
    """Length of the conversation."""
    took_s: float
    turns: list[Turn]
    tasks_left: int
    files_left: int | None

    def as_data(self) -> dict[str, object]:
        return {**asdict(self), "summary": self.summary()}

    def summary(self) -> dict[str, float | int | None]:
        memory = [turn.memory_mib for turn in self._settled() if turn.memory_mib is not None]
        clock = [turn.clock_ms for turn in self.turns if turn.clock_ms is not None]
        return {
            "minutes": self.seconds / 60,
            "took_minutes": self.took_s / 60,
            "turns": len(self.turns),
            "answered": sum(turn.answered for turn in self.turns),
            "broken_into": sum(turn.broken_into for turn in self.turns),
            "memory_mib": max(memory, default=None),
            "memory_growth_percent": 100 * _risen(memory) / median(memory) if memory else None,
            "memory_spread_percent": 100 * (max(memory) - min(memory)) / min(memory) if memory else None,
            "clock_drift_ms": _risen(clock) if clock else None,
            "tasks_left": self.tasks_left,
            "files_left": self.files_left,
        }

    def as_table(self) -> RenderableType:
        table = Table("figure", "", box=None, pad_edge=False)
        for name, value in self.summary().items():
            table.add_row(name.replace("_", " "), "-" if value is None else f"{value:.4g}")
        return table

    def draw(self, figure: "Figure") -> None:
        figure.set_size_inches(8, 3)
        upper, lower = figure.subplots(2, sharex=True)
        for axes, name, values in (
            (upper, "memory, MiB", [turn.memory_mib for turn in self.turns]),
            (lower, "clock, ms", [turn.clock_ms for turn in self.turns]),
        ):
            known = [(turn.at_s / 60, y) for turn, y in zip(self.turns, values, strict=True) if y is not None]
            axes.plot(*zip(*known, strict=True), color=GOOD)
            axes.set_ylabel(name)
        lower.set_xlabel("minutes of conversation")

    def _settled(self) -> list[Turn]:
        return [turn for turn in self.turns if turn.at_s >= self.seconds * _WARM_UP]


async def measure(
    url: str,
    api_key: str,
    corpus: Sequence[Recording],
    minutes: float,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Hold a call with the server at `url`, which runs in this process, for `minutes` of conversation."""
    questions = [spoken for spoken in corpus if spoken.kind == "turn"]
    barge_ins = [spoken for spoken in corpus if spoken.kind == "barge_in"]
    if not questions or not barge_ins:
        raise BadCorpus("a long call takes recordings of both kinds, turn and barge_in")
    loop = asyncio.get_running_loop()
    async with _calling(url, api_key):
        pass  # the first call leaves caches that are not leaks
    await asyncio.sleep(_CLEARED_UP_S)
    began, tasks, files = loop.time(), len(asyncio.all_tasks()), _open_files()
    turns: list[Turn] = []
    async with _calling(url, api_key) as caller:
        for question, barge_in in zip(cycle(questions), cycle(barge_ins), strict=False):
            if caller.now_s >= minutes * 60:
                break
            breaks_in = len(turns) % _BARGE_IN_EVERY == _BARGE_IN_EVERY - 1
            turns.append(await _ask(caller, question, barge_in if breaks_in else None))
            progress(f"{caller.now_s / 60:.1f} minutes, {turns[-1].memory_mib or 0:.0f} MiB")
    await asyncio.sleep(_CLEARED_UP_S)
    left = None if files is None else (_open_files() or 0) - files
    return Report(minutes * 60, loop.time() - began, turns, len(asyncio.all_tasks()) - tasks, left)


class _Caller:
    """A caller that speaks faster than real time. Its clock counts the samples sent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sent = 0
        self._events: asyncio.Queue[ServerEvent] = asyncio.Queue()
        """Events of one turn at most: each turn empties the queue."""

    @property
    def now_s(self) -> float:
        """Conversation time."""
        return self._sent / WIRE_RATE

    async def listen(self) -> None:
        while True:
            self._events.put_nowait(await self._connection.receive())

    async def say(self, pcm: Pcm) -> None:
        for start in range(0, len(pcm), _BLOCK):
            block = pcm[start : start + _BLOCK]
            await self._connection.send_audio(block)
            self._sent += len(block)

    async def wait_until(self, at_s: float) -> None:
        await self.say(silence(max(0, round((at_s - self.now_s) * WIRE_RATE))))

    async def until(self, *kinds: str, patience_s: float = _PATIENCE_S) -> list[ServerEvent]:
        """The events up to one of these types, while silence is sent in real time; on a timeout, all so far."""
        loop, seen = asyncio.get_running_loop(), list[ServerEvent]()
        began, sent = loop.time(), self._sent
        while loop.time() < began + patience_s:
            while not self._events.empty():
                seen.append(self._events.get_nowait())
                if seen[-1].type in kinds:
                    return seen
            owed = round((loop.time() - began) * WIRE_RATE) - (self._sent - sent)
            await self.say(silence(max(0, owed)))
            await asyncio.sleep(0.02)
        return seen

    def forget(self) -> None:
        """Discard the events of the turn before."""
        while not self._events.empty():
            self._events.get_nowait()


@asynccontextmanager
async def _calling(url: str, api_key: str) -> AsyncIterator[_Caller]:
    async with connect(url, api_key) as connection:
        session = RealtimeSessionCreateRequest(type="realtime", max_output_tokens=_MAX_TOKENS)
        await connection.send(SessionUpdateEvent(type="session.update", session=session))
        caller = _Caller(connection)
        listening = asyncio.create_task(caller.listen())
        try:
            yield caller
        finally:
            listening.cancel()
            await asyncio.wait([listening])


async def _ask(caller: _Caller, question: Recording, barge_in: Recording | None) -> Turn:
    """Ask, listen to the answer or interrupt it, and stay silent until the next question is due."""
    caller.forget()
    at_s = caller.now_s
    await caller.say(question.pcm)
    events = await caller.until("response.done")
    if barge_in is not None:
        await caller.say(barge_in.pcm)
        events += await caller.until("response.done", patience_s=_SILENCED_S)
    starts = [event.audio_start_ms for event in events if isinstance(event, InputAudioBufferSpeechStartedEvent)]
    sounding_s = sum(len(audio_of(event)) for event in events if isinstance(event, ResponseAudioDeltaEvent)) / WIRE_RATE
    await caller.wait_until(max(at_s + _EVERY_S, caller.now_s + sounding_s))
    return Turn(
        at_s=at_s,
        answered=sounding_s > 0,
        broken_into=barge_in is not None and len(starts) > 1,
        memory_mib=_memory_mib(),
        clock_ms=starts[0] - (at_s + question.speech_start_s) * 1000 if starts else None,
    )


def _risen(values: Sequence[float]) -> float:
    """Median of the last third minus that of the first."""
    third = max(1, len(values) // 3)
    return median(values[-third:]) - median(values[:third])


def _memory_mib() -> float | None:
    """Memory of this process, without free memory of its allocator; None if the system does not report it."""
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "malloc_trim"):
        allocator.malloc_trim(0)
    try:
        pages = int((_PROCESS / "statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _open_files() -> int | None:
    """Number of files and sockets of this process; None if the system does not report it."""
    try:
        return sum(1 for _ in (_PROCESS / "fd").iterdir())
    except OSError:
        return None
