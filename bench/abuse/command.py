"""The command `bench abuse`. It imports its code when it runs."""

from typing import TYPE_CHECKING, Annotated

import typer

from bench.running import BUNDLED_RECORDINGS, Config, Corpus, Json, Out, Picture, Progress, listed, report
from realtime.settings import Settings

if TYPE_CHECKING:
    from bench.report import Report


def abuse(
    corpus: Corpus = BUNDLED_RECORDINGS,
    events: Annotated[int, typer.Option(min=10, help="Mutated events to send.")] = 100_000,
    offers: Annotated[int, typer.Option(min=2, help="Mutated offers of calls to send.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Which mutations: a long run can be made of several.")] = 0,
    callers: Annotated[
        int | None,
        typer.Option(min=1, help="Instead: so many ordinary callers, and one hostile client of each kind in turn."),
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each of these callers with each kind.")] = 4,
    kinds: Annotated[str, typer.Option(help="Kinds of hostile clients for these callers.", show_default="all")] = "",
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Attack a server of its own in every way at once, and break its upstreams; print what it lost, kept and delayed.

    With --callers: how long ordinary callers wait while one hostile client is there.
    """

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.abuse import measure, one_by_one
        from bench.abuse.attackers import ATTACKERS
        from bench.corpus import read_corpus
        from realtime.protocol.audio_format import WIRE_RATE

        spoken = read_corpus(corpus, ("turn",), WIRE_RATE)
        if callers is None:
            return await measure.measure(spoken, events, offers, seed, progress)
        chosen = listed(kinds) if kinds else tuple(ATTACKERS)
        if unknown := set(chosen) - set(ATTACKERS):
            raise typer.BadParameter(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ATTACKERS)}")
        return await one_by_one.measure(spoken, callers, turns, chosen, progress)

    report(measured, as_json, out, picture, config)
