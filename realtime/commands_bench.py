"""antiphon bench: the programs of bench/ on the command line. What one needs is imported when it runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from pipeline.models import ModelStore
from realtime.console import run
from realtime.settings import Settings, load_settings

if TYPE_CHECKING:
    from bench.report import Report

bench_app = typer.Typer(
    help="Measure: latency, interruption, thinking, soak, wer, synthesis, voices, endpointing, encoder-cache.",
    no_args_is_help=True,
)

_CORPUS = Path(__file__).parent.parent / "tests" / "recordings"

Tell = Callable[[str], None]
"""Says what is being done."""

Corpus = Annotated[Path, typer.Option(help="Folder of recordings with a manifest.json.", show_default="the tests' own")]
Url = Annotated[str | None, typer.Option(help="Server to measure.", show_default="one in this process")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Out = Annotated[Path | None, typer.Option(help="File for the figures, as JSON.", show_default=False)]
Picture = Annotated[Path | None, typer.Option(help="File for a picture, .png or .svg.", show_default=False)]
Config = Annotated[Path | None, typer.Option(help="Settings file.", show_default="./config.toml")]


@bench_app.callback()
def bench() -> None:
    """Measure how quick and how good it is on this machine."""


@bench_app.command()
def latency(
    corpus: Corpus = _CORPUS,
    transport: Annotated[
        Literal["websocket", "webrtc", "phone"],
        typer.Option(help="A WebSocket; the web page in a browser, over WebRTC; or WebRTC without one."),
    ] = "websocket",
    detection: Annotated[
        Literal["server_vad", "semantic_vad"], typer.Option(help="How the end of a turn is told.")
    ] = "semantic_vad",
    conversations: Annotated[int, typer.Option(min=1, help="Conversations at once.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Times that each recording is spoken.")] = 1,
    url: Url = None,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Speak recorded turns in real time; print the time from the last sample of each to the answer's first."""

    async def measured(settings: Settings, tell: Tell) -> "Report":
        from bench.corpus import read_corpus
        from bench.latency import measure
        from realtime.client import WIRE_RATE

        recordings = read_corpus(corpus, ("turn", "pause"), WIRE_RATE)
        key = settings.server.api_key.get_secret_value()
        async with _serving(url, settings, tell) as address:
            return await measure(address, key, recordings, transport, detection, conversations, repeats, tell)

    _report(measured, as_json, out, picture, config)


@bench_app.command()
def interruption(
    corpus: Corpus = _CORPUS,
    repeats: Annotated[int, typer.Option(min=1, help="Times that each recording is spoken.")] = 1,
    url: Url = None,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Speak barge-ins and backchannels over answers, in the web page; print when it fell silent, and for which."""

    async def measured(settings: Settings, tell: Tell) -> "Report":
        from bench.browser import RATE
        from bench.corpus import read_corpus
        from bench.interruption import KINDS, measure

        recordings = read_corpus(corpus, KINDS, RATE)
        key = settings.server.api_key.get_secret_value()
        async with _serving(url, settings, tell) as address:
            return await measure(address, key, recordings, repeats, tell)

    _report(measured, as_json, out, picture, config)


@bench_app.command()
def thinking(
    model: Annotated[
        Path | None, typer.Option(help="GGUF file of a reasoning model.", show_default="the decoder of the settings")
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Folder with Big Bench Audio or Spoken-MQA, as published.", show_default="the bench's own"),
    ] = None,
    questions: Annotated[
        int | None, typer.Option(min=2, help="How many to ask.", show_default="3; all of a dataset")
    ] = None,
    modes: Annotated[
        str, typer.Option(help="Ways to think, with commas between.")
    ] = "off,before,think_first,speak_first",
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Ask spoken questions in every way to think; print how many answers are right, how soon and how fluent."""

    async def measured(settings: Settings, tell: Tell) -> "Report":
        from bench.datasets import read_dataset
        from bench.questions import spoken
        from bench.thinking import OWN_QUESTIONS, measure, modes_named, thinker, thoughtful
        from realtime.serve import loaded, running

        wanted, settings = modes_named(modes), thoughtful(settings, model)
        asked = None if dataset is None else read_dataset(dataset, questions)
        key = settings.server.api_key.get_secret_value()
        async with loaded(settings, tell) as engine, running(engine, settings) as here:
            asked = asked or spoken(questions or OWN_QUESTIONS, engine.synthesizer.open(engine.voice))
            return await measure(here, key, asked, wanted, thinker(settings), tell)

    _report(measured, as_json, out, picture, config)


@bench_app.command()
def soak(
    corpus: Corpus = _CORPUS,
    minutes: Annotated[float, typer.Option(min=1, help="Length of the conversation, in its own time.")] = 60,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Hold a long call, faster than real time; print how memory and clocks did, and what was left behind."""

    async def measured(settings: Settings, tell: Tell) -> "Report":
        from bench.corpus import read_corpus
        from bench.soak import KINDS, measure
        from realtime.client import WIRE_RATE

        recordings = read_corpus(corpus, KINDS, WIRE_RATE)
        key = settings.server.api_key.get_secret_value()
        async with _serving(None, settings, tell) as address:
            return await measure(address, key, recordings, minutes, tell)

    _report(measured, as_json, out, picture, config)


@bench_app.command()
def wer(
    corpus: Corpus = _CORPUS,
    kinds: Annotated[str, typer.Option(help="Which recordings, by their kind, with commas between.")] = "turn,pause",
    snr: Annotated[float | None, typer.Option(help="Add white noise this many dB below the speech.")] = None,
    gain: Annotated[float, typer.Option(help="Make it louder or softer by this many dB.")] = 0.0,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Recognize recordings padded to 30 s, spliced, and while they are spoken; print errors and times of each way."""

    async def measured(settings: Settings, tell: Tell) -> "Report":
        from bench.corpus import read_corpus
        from bench.wer import altered, measure
        from pipeline.audio import INPUT_RATE

        recordings = altered(read_corpus(corpus, kinds.split(","), INPUT_RATE), snr, gain)
        return measure(_store(settings).resolve(settings.encoder.model), settings.encoder, recordings, tell)

    _report(measured, as_json, out, picture, config)


@bench_app.command()
def synthesis(
    texts: Annotated[
        Path | None, typer.Option(help="File of sentences, one a line.", show_default="the bench's own")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Times that each sentence is spoken.")] = 5,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Speak sentences in windows and at once; print the time to the first sound, and what is understood of them."""

    async def measured(settings: Settings, tell: Tell) -> "Report":
        from bench.synthesis import TEXTS, measure, read_texts
        from pipeline.registry import ENCODERS

        sentences, store = read_texts(texts or TEXTS), _store(settings)
        encoder = await ENCODERS[settings.encoder.backend].open(settings, store)
        return measure(store.resolve(settings.voice.name), settings.voice, encoder, sentences, repeats, tell)

    _report(measured, as_json, out, picture, config)


@bench_app.command()
def voices(
    names: Annotated[
        str | None, typer.Option("--voices", help="Which, with commas between.", show_default="all")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="File of sentences, one a line.", show_default="the bench's own")
    ] = None,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Speak sentences in every voice at hand; print how soon, how dearly, how loud, and what is understood of them."""

    async def measured(settings: Settings, tell: Tell) -> "Report":
        from bench.synthesis import TEXTS, read_texts
        from bench.voices import measure
        from pipeline.registry import ENCODERS

        sentences, store = read_texts(texts or TEXTS), _store(settings)
        encoder = await ENCODERS[settings.encoder.backend].open(settings, store)
        wanted = _named(names) if names else None
        if texts is None:
            sentences = sentences[1::2]  # they are spoken four times in each voice
        return await asyncio.to_thread(measure, settings, store, encoder, wanted, sentences, tell)

    _report(measured, as_json, out, picture, config)


@bench_app.command()
def endpointing(
    texts: Annotated[
        Path | None,
        typer.Option(help='JSON with the lists "finished" and "broken_off".', show_default="the bench's own"),
    ] = None,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Ask the decoder which texts are finished; print how many it finds and how many it mistakes."""

    async def measured(settings: Settings, tell: Tell) -> "Report":
        from bench.corpus import read_json
        from bench.endpointing import TEXTS, Texts, measure
        from pipeline.registry import DECODERS

        asked = read_json(texts or TEXTS, Texts)
        decoder = await DECODERS[settings.decoder.backend].open(settings, _store(settings))
        try:
            return await measure(decoder, settings, asked, tell)
        finally:
            await decoder.close()

    _report(measured, as_json, out, picture, config)


@bench_app.command("encoder-cache")
def encoder_cache(
    families: Annotated[
        str | None, typer.Option(help="Encoders of sound, with commas between.", show_default="all")
    ] = None,
    sizes: Annotated[str, typer.Option(help="Of their layers, with commas between: small, real.")] = "small,real",
    layers: Annotated[int, typer.Option(min=1, help="Layers of each, at most.")] = 2,
    seconds: Annotated[float, typer.Option(min=5, max=120, help="The longest turn.")] = 60,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where they run.")] = "cpu",
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
) -> None:
    """Encode turns of noise as they come and at once; print the work that is left after the last sample."""

    async def measured(settings: Settings, tell: Tell) -> "Report":
        from bench.encoder_cache import measure
        from bench.towers import FAMILIES

        names = _named(families) if families else list(FAMILIES)
        return measure(names, _named(sizes), layers, seconds, device=device, tell=tell)

    _report(measured, as_json, out, picture, None)


@asynccontextmanager
async def _serving(url: str | None, settings: Settings, tell: Tell) -> AsyncIterator[str]:
    """The address of the server to measure: the one at `url`, or one in this process."""
    from realtime.serve import loaded, running

    if url is not None:
        yield url
        return
    async with loaded(settings, tell) as engine, running(engine, settings) as here:
        yield here


def _report(
    measured: Callable[[Settings, Tell], Awaitable["Report"]],
    as_json: bool,
    out: Path | None,
    picture: Path | None,
    config: Path | None,
) -> None:
    async def work() -> None:
        from bench.report import Output

        output = Output(as_json, out, picture)
        with Console(stderr=True).status("loading …") as status:
            report = await measured(load_settings(config), lambda line: status.update(Text(line)))
        output.show(report)

    run(work)


def _named(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


def _store(settings: Settings) -> ModelStore:
    return ModelStore(settings.models.cache, settings.models.offline)
