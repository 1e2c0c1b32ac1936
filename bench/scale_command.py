"""The command `bench scale`."""

from typing import TYPE_CHECKING, Annotated

import typer

from bench.running import BUNDLED_RECORDINGS, Config, Corpus, Json, Out, Picture, Progress, Url, report, serving
from realtime.cli.console import examples
from realtime.settings import Settings

if TYPE_CHECKING:
    from bench.report import Report

EXAMPLES = examples(
    "antiphon bench scale --url cluster:8000 --users 1,4,8",
    "antiphon bench scale --url cluster:8000 --without-edge localhost:8000",
)


def scale(
    corpus: Corpus = BUNDLED_RECORDINGS,
    users: Annotated[str, typer.Option(help="Users at once, separated by commas.")] = "1,2,4,8",
    without_edge: Annotated[
        str | None, typer.Option(help="A server without a proxy, to compare with.", show_default=False)
    ] = None,
    url: Url = None,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Let more and more users speak recorded turns at once; print how soon they are answered."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.corpus import read_corpus
        from bench.scale import measure
        from realtime.protocol.audio_format import WIRE_RATE
        from realtime.terminal.client import server_url

        recordings = read_corpus(corpus, ("turn",), WIRE_RATE)
        counts = [int(count) for count in users.split(",")]
        other = None if without_edge is None else server_url(without_edge)
        key = settings.server.api_key.get_secret_value()
        async with serving(url, settings, progress) as address:
            return await measure(address, key, recordings, counts, other, progress)

    report(measured, as_json, out, picture, config)
