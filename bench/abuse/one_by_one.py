"""Ordinary conversations and one hostile client of each kind: how long the others wait for their answers meanwhile.

What an ordinary caller more costs them is the yardstick.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, get_args

from rich.console import Group as Rows
from rich.console import RenderableType
from rich.table import Table

from bench.abuse.attackers import ATTACKERS, Damage
from bench.abuse.honest import Callers
from bench.abuse.hostile import Plan, attacking
from bench.abuse.processes import victim
from bench.conversations.latency import stages_of
from bench.corpus import Recording
from bench.report import BAD, GOOD, number, percentile
from pipeline.runtime.timeline import Stage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HOSTILE_SESSIONS = 2
"""Sessions that one hostile client may hold: those of a client by default, where a server holds four."""
SLOWER = 1.5
"""How much longer the ordinary ones may wait, as a multiple of what they wait alone."""
ALONE = "alone"
ONE_MORE = "one caller more"
"""Instead of a hostile client: what it costs the others that somebody is there at all."""


@dataclass(frozen=True, slots=True)
class Group:
    """What the ordinary callers were given while one hostile client was there, or none."""

    latencies_ms: list[float]
    """Voice to voice."""
    stages_ms: Mapping[str, float]
    """From the end of speech, as the server detected it, to each stage of a turn; medians."""
    unanswered: int
    damage: Damage | None
    """What the hostile client did."""
    refusals: Mapping[str, int]
    """What the server turned away meanwhile, by the reason."""

    @property
    def p90_ms(self) -> float | None:
        return percentile(self.latencies_ms, 90)


@dataclass(frozen=True, slots=True)
class Report:
    """The groups by the kind of the hostile client, the first two without one."""

    callers: int
    groups: Mapping[str, Group]

    def ratio(self, kind: str) -> float | None:
        """How many times as long nine of ten answers took as alone."""
        alone, attacked = self.groups[ALONE].p90_ms, self.groups[kind].p90_ms
        return attacked / alone if alone and attacked else None

    def as_data(self) -> Mapping[str, object]:
        ratios = {kind: self.ratio(kind) for kind in self.groups}
        return {"callers": self.callers, "ratios": ratios, "groups": {k: asdict(g) for k, g in self.groups.items()}}

    def as_table(self) -> RenderableType:
        return Rows(self._waits(), "", self._stages())

    def _stages(self) -> Table:
        names = [name for name in get_args(Stage) if any(name in group.stages_ms for group in self.groups.values())]
        table = Table("median ms to", *(name.replace("_", " ") for name in names), box=None, pad_edge=False)
        for kind, group in self.groups.items():
            table.add_row(kind.replace("_", " "), *(number(group.stages_ms.get(name)) for name in names))
        return table

    def _waits(self) -> Table:
        table = Table("hostile client", "turns", "no answer", "p50", "p90", "ratio", box=None, pad_edge=False)
        for kind, group in self.groups.items():
            ratio = self.ratio(kind)
            table.add_row(
                kind.replace("_", " "),
                str(len(group.latencies_ms) + group.unanswered),
                str(group.unanswered),
                f"{number(percentile(group.latencies_ms, 50))} ms",
                f"{number(group.p90_ms)} ms",
                "-" if ratio is None else f"{ratio:.2f}",
            )
        return table

    def draw(self, figure: "Figure") -> None:
        axes = figure.subplots()
        kinds = [kind for kind in self.groups if kind != ALONE]
        ratios = [self.ratio(kind) or 0.0 for kind in kinds]
        axes.barh(
            [kind.replace("_", " ") for kind in kinds], ratios, color=[GOOD if r <= SLOWER else BAD for r in ratios]
        )
        axes.set_xlabel("p90 of ordinary callers, as a multiple of what it is alone")


async def measure(
    corpus: Sequence[Recording],
    callers: int,
    turns: int,
    kinds: Sequence[str] = tuple(ATTACKERS),
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Have so many callers speak so many turns each: alone, with one more, with a hostile client of each kind in turn.

    The server is one of this machine's own with the profile tiny, and but for the number of sessions with the limits
    that it has by default.
    """
    settings = {
        "SERVER__MAX_SESSIONS": callers + _HOSTILE_SESSIONS,
        "SERVER__SESSIONS_PER_CLIENT": _HOSTILE_SESSIONS,
    }
    groups: dict[str, Group] = {}
    with TemporaryDirectory() as folder:
        async with victim(Path(folder), settings) as server:
            for kind in ("warm-up", ALONE, ONE_MORE, *kinds):
                progress(kind)
                before = await server.refusals()
                talking = Callers(server.url, corpus, callers + (kind == ONE_MORE))
                if kind in ATTACKERS:
                    async with attacking(Plan(server.port, [kind])) as attack:
                        await talking.talk(turns)
                    damage = attack.damage
                else:
                    await talking.talk(turns)
                    damage = None
                after = await server.refusals()
                refused = {code: count - before.get(code, 0) for code, count in after.items()}
                stages = stages_of(talking.timelines_ms)
                groups[kind] = Group(talking.latencies_ms, stages, talking.unanswered, damage, refused)
    del groups["warm-up"]
    return Report(callers, groups)
