"""A server under mixed abuse: what it loses, what it keeps, and how long honest callers wait meanwhile."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from bench.abuse.attackers import ATTACKERS, Damage
from bench.abuse.faults import FAULTS, Outcome, fail
from bench.abuse.honest import Callers
from bench.abuse.hostile import Plan, attacking
from bench.abuse.processes import MIXED, Upstream, Victim, victim
from bench.corpus import Recording
from bench.report import GOOD, percentile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GREEDY = ("chatter", "burden", "rush")
"""Those that want all the computing there is, of which little would be left for what the others send: `one_by_one`."""
_KINDS = (*(kind for kind in ATTACKERS if kind not in _GREEDY), *["fuzz_events"] * 7, *["fuzz_offers"] * 3)
_SETTLE_S = 15.0
"""Time after which everything of the attackers should be gone: longer than a call takes that never connects."""
_CALLERS = 2
_TURNS_ALONE = 8
_WARM_UP_EVENTS = 1_000
_WARM_UP_OFFERS = 100
"""What every path is run through with before memory is compared."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it."""

    seconds: float
    alone_ms: list[float]
    """Voice-to-voice latencies of honest callers before the attack."""
    attacked_ms: list[float]
    """The same during it."""
    unanswered: int
    """Turns of theirs that got no answer."""
    complaints: list[str]
    """What those met that were turned away."""
    damage: Damage
    memory_before_mib: float
    memory_after_mib: float
    sessions_left: int
    files_left: int
    tracebacks: list[str]
    """Records of the server's log that have one."""
    late_ticks_percent: float
    """Share of 0.1 s in which the event loop was more than 50 ms late."""
    faults: dict[str, Outcome]
    """What came of faults of the decoder's and of the voice's server in mid-answer, by both."""
    answers_on_full_disk: bool
    refusals: Mapping[str, int]

    def as_data(self) -> dict[str, object]:
        return {**asdict(self), "summary": self.summary()}

    def summary(self) -> dict[str, float | int | None]:
        growth = 100 * (self.memory_after_mib / self.memory_before_mib - 1)
        return {
            "seconds": self.seconds,
            "mutated_events": self.damage.events,
            "mutated_offers": self.damage.offers,
            "hostile_sessions": self.damage.sessions,
            "stuck": self.damage.stuck + self.sessions_left + self.unanswered,
            "lost_items": self.damage.items_lost,
            "items": self.damage.items,
            "offers_failed": self.damage.offers_failed,
            "tracebacks": len(self.tracebacks),
            "memory_before_mib": self.memory_before_mib,
            "memory_growth_percent": growth,
            "files_left": self.files_left,
            "late_ticks_percent": self.late_ticks_percent,
            "honest_p90_alone_ms": percentile(self.alone_ms, 90),
            "honest_p90_attacked_ms": percentile(self.attacked_ms, 90),
            **{
                f"{what.removesuffix('_s')}_after_{fault.replace(' ', '_')}_s": seconds
                for fault, outcome in self.faults.items()
                for what, seconds in asdict(outcome).items()
            },
            "answers_on_full_disk": int(self.answers_on_full_disk),
        }

    def as_table(self) -> RenderableType:
        table = Table("figure", "", box=None, pad_edge=False)
        for name, value in self.summary().items():
            table.add_row(name.replace("_", " "), "-" if value is None else f"{value:.4g}")
        for code, count in sorted(self.refusals.items()):
            table.add_row(f"refused: {code}", str(count))
        return table

    def draw(self, figure: "Figure") -> None:
        axes = figure.subplots()
        axes.boxplot([self.alone_ms, self.attacked_ms], orientation="horizontal", boxprops={"color": GOOD})
        axes.set_yticks([1, 2], ["alone", "under attack"])
        axes.set_xlabel("ms from the end of speech to the answer, honest callers")


async def measure(
    corpus: Sequence[Recording],
    events: int,
    offers: int,
    seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Attack a server of this machine's own until it was sent so many mutated events and offers."""
    loop = asyncio.get_running_loop()
    with TemporaryDirectory() as folder:
        async with Upstream() as upstream:
            async with victim(Path(folder), MIXED, decoder=upstream) as server:
                warm_up = Plan(server.port, _KINDS, _WARM_UP_EVENTS, _WARM_UP_OFFERS, seed=-1)
                await _attack(server, Callers(server.url, corpus, _CALLERS), warm_up, progress)
                progress("honest callers alone")
                alone = Callers(server.url, corpus, _CALLERS)
                await alone.talk(_TURNS_ALONE)
                await asyncio.sleep(_SETTLE_S)
                before, files = server.memory_mib(), server.files()
                late_before = await _late_ticks(server)
                began = loop.time()
                attacked = Callers(server.url, corpus, _CALLERS)
                damage = await _attack(server, attacked, Plan(server.port, _KINDS, events, offers, seed), progress)
                seconds, late = loop.time() - began, await _late_ticks(server)
                progress("faults of the decoder's server")
                faults = {f"decoder {fault}": await fail(server, upstream, fault) for fault in FAULTS}
                await asyncio.sleep(_SETTLE_S)
                refusals = await server.refusals()
                memory, left = server.memory_mib(), await server.sessions()
                files_left = server.files() - files
                progress("a full disk")
                server.fill_disk()
                last = Callers(server.url, corpus, 1)
                await last.talk(1)
                tracebacks = server.tracebacks()
            progress("faults of the voice's server")
            async with Upstream() as voice, victim(Path(folder), MIXED, upstream, voice) as server:
                faults |= {f"voice {fault}": await fail(server, voice, fault) for fault in FAULTS}
                tracebacks += server.tracebacks()
            return Report(
                seconds=seconds,
                alone_ms=alone.latencies_ms,
                attacked_ms=attacked.latencies_ms,
                unanswered=attacked.unanswered,
                complaints=attacked.complaints,
                damage=damage,
                memory_before_mib=before,
                memory_after_mib=memory,
                sessions_left=left,
                files_left=files_left,
                tracebacks=tracebacks,
                late_ticks_percent=100 * (late[0] - late_before[0]) / max(1, late[1] - late_before[1]),
                faults=faults,
                answers_on_full_disk=bool(last.latencies_ms),
                refusals=refusals,
            )


async def _attack(server: Victim, callers: Callers, plan: Plan, progress: Callable[[str], None]) -> Damage:
    """Attack as planned while the callers talk."""
    over = asyncio.Event()
    async with attacking(plan) as attack, asyncio.TaskGroup() as tasks:
        tasks.create_task(callers.talk_until(over))
        while not attack.over.done():
            done = attack.damage
            progress(f"{done.events} events, {done.offers} offers, {server.memory_mib():.0f} MiB")
            await asyncio.wait([attack.over], timeout=2)
        over.set()
    return attack.damage


async def _late_ticks(server: Victim) -> tuple[float, float]:
    """How often the event loop was more than 50 ms late, and how often it was looked at."""
    figures = await server.figures()
    ticks = figures["antiphon_loop_lag_seconds_count"]
    return ticks - figures["antiphon_loop_lag_seconds_bucket:0.05"], ticks
