"""The command `bench`: the benchmarks on the command line. Each imports its code when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.abuse.command import abuse
from bench.running import (
    BUNDLED_RECORDINGS,
    Config,
    Corpus,
    Json,
    Out,
    Picture,
    Progress,
    Url,
    listed,
    report,
    serving,
    store_of,
)
from bench.scale_command import EXAMPLES as SCALE_EXAMPLES
from bench.scale_command import scale
from bench.speech.commands import speech_app
from realtime.cli.console import CONTEXT, examples
from realtime.settings import Settings

if TYPE_CHECKING:
    from bench.report import Report

bench_app = typer.Typer(
    help="Measure: latency, interruption, answers, thinking, soak, scale, wer, synthesis, voices, endpointing, "
    "encoder-cache, abuse.",
    no_args_is_help=True,
    context_settings=CONTEXT,
    epilog=examples("antiphon bench latency", "antiphon bench wer --json"),
)


bench_app.add_typer(speech_app)
bench_app.command(epilog=SCALE_EXAMPLES)(scale)


@bench_app.callback()
def bench() -> None:
    """Measure speed and quality on this machine."""


@bench_app.command(
    epilog=examples(
        "antiphon bench latency",
        "antiphon bench latency --transport webrtc --picture latency.png",
        "antiphon bench latency --url localhost:8000 --conversations 4",
    )
)
def latency(
    corpus: Corpus = BUNDLED_RECORDINGS,
    transport: Annotated[
        Literal["websocket", "webrtc", "phone"],
        typer.Option(help="A WebSocket; the web page in a browser, over WebRTC; or WebRTC without one."),
    ] = "websocket",
    detection: Annotated[
        Literal["server_vad", "semantic_vad"], typer.Option(help="How the end of a turn is detected.")
    ] = "semantic_vad",
    conversations: Annotated[int, typer.Option(min=1, help="Conversations at once.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="How often each recording is spoken.")] = 1,
    url: Url = None,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Speak recorded turns in real time; print the time from the last sample of each to the answer's first."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.conversations.latency import measure
        from bench.corpus import read_corpus
        from realtime.protocol.audio_format import WIRE_RATE

        recordings = read_corpus(corpus, ("turn", "pause"), WIRE_RATE)
        key = settings.server.api_key.get_secret_value()
        async with serving(url, settings, progress) as address:
            return await measure(address, key, recordings, transport, detection, conversations, repeats, progress)

    report(measured, as_json, out, picture, config)


@bench_app.command(
    epilog=examples(
        "antiphon bench interruption",
        "antiphon bench interruption --repeats 3 --out barge-ins.json",
    )
)
def interruption(
    corpus: Corpus = BUNDLED_RECORDINGS,
    repeats: Annotated[int, typer.Option(min=1, help="How often each recording is spoken.")] = 1,
    url: Url = None,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Speak barge-ins and backchannels over answers, in the web page; print which stopped it, and how soon."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.callers.browser import RATE
        from bench.conversations.interruption import KINDS, measure
        from bench.corpus import read_corpus

        recordings = read_corpus(corpus, KINDS, RATE)
        key = settings.server.api_key.get_secret_value()
        async with serving(url, settings, progress) as address:
            return await measure(address, key, recordings, repeats, progress)

    report(measured, as_json, out, picture, config)


@bench_app.command(
    epilog=examples(
        "antiphon bench answers --text --questions 14",
        "antiphon bench answers --out able.json --picture answers.svg",
    )
)
def answers(
    text: Annotated[bool, typer.Option("--text", help="Type the questions: no recognizer, no voice.")] = False,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Folder with Big Bench Audio or Spoken-MQA, as published.", show_default="the bench's own"),
    ] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="Number of questions.", show_default="126; all of a dataset")
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses the questions.")] = 0,
    half: Annotated[
        Literal["tuning", "held-out"] | None,
        typer.Option(help="Half of the bench's own: one to improve the agent with, one to report on."),
    ] = None,
    earlier: Annotated[
        list[Path] | None, typer.Option("--with", help="JSON of an earlier run, for the picture.", show_default=False)
    ] = None,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Ask questions with checkable answers, at temperature 0; print right answers by kind, latency and length."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.answers.asking import ask_all
        from bench.answers.report import Report, earlier_run
        from bench.answers.tasks import OWN_QUESTIONS, Way, own_tasks, published_tasks, spoken_by
        from bench.answers.voices import several
        from bench.conversations.datasets import read_dataset
        from bench.conversations.thinking import thinker
        from realtime.serve import loaded, running

        way: Way = "text" if text else "spoken"
        runs = [earlier_run(file) for file in earlier or ()]
        asked = None if dataset is None else published_tasks(read_dataset(dataset, questions, seed), way)
        settings = settings.model_copy(update={"decoder": settings.decoder.model_copy(update={"temperature": 0.0})})
        key = settings.server.api_key.get_secret_value()
        async with loaded(settings, progress) as engine, running(engine, settings) as here:
            tasks = asked or own_tasks(questions or OWN_QUESTIONS, seed, half)
            if asked is None and way == "spoken":
                tasks = spoken_by(tasks, await several(engine, progress))
            done = await ask_all(here, key, tasks, way, progress)
        return Report(thinker(settings), way, done, runs)

    report(measured, as_json, out, picture, config)


@bench_app.command(
    epilog=examples(
        "antiphon bench thinking --questions 3",
        "antiphon bench thinking --model reasoner.gguf --modes off,speak_first",
    )
)
def thinking(
    model: Annotated[
        Path | None, typer.Option(help="GGUF file of a reasoning model.", show_default="the decoder of the settings")
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Folder with Big Bench Audio or Spoken-MQA, as published.", show_default="the bench's own"),
    ] = None,
    questions: Annotated[
        int | None, typer.Option(min=2, help="Number of questions.", show_default="3; all of a dataset")
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses the questions.")] = 0,
    modes: Annotated[
        str, typer.Option(help="Modes of thinking, separated by commas.")
    ] = "off,before,think_first,speak_first",
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Ask spoken questions in every mode of thinking; print correctness, latency and fluency of the answers."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.conversations.datasets import read_dataset
        from bench.conversations.questions import spoken
        from bench.conversations.thinking import OWN_QUESTIONS, measure, modes_named, thinker, thoughtful
        from realtime.serve import loaded, running

        wanted, settings = modes_named(modes), thoughtful(settings, model)
        asked = None if dataset is None else read_dataset(dataset, questions, seed)
        key = settings.server.api_key.get_secret_value()
        async with loaded(settings, progress) as engine, running(engine, settings) as here:
            asked = asked or spoken(questions or OWN_QUESTIONS, engine.synthesizer.open(engine.voice), seed)
            return await measure(here, key, asked, wanted, thinker(settings), progress)

    report(measured, as_json, out, picture, config)


@bench_app.command(epilog=examples("antiphon bench soak --minutes 10"))
def soak(
    corpus: Corpus = BUNDLED_RECORDINGS,
    minutes: Annotated[float, typer.Option(min=1, help="Length of the conversation, in conversation time.")] = 60,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Hold a long call, faster than real time; print growth of memory, clock drift, and tasks and files left open."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.conversations.soak import KINDS, measure
        from bench.corpus import read_corpus
        from realtime.protocol.audio_format import WIRE_RATE

        recordings = read_corpus(corpus, KINDS, WIRE_RATE)
        key = settings.server.api_key.get_secret_value()
        async with serving(None, settings, progress) as address:
            return await measure(address, key, recordings, minutes, progress)

    report(measured, as_json, out, picture, config)


@bench_app.command(
    epilog=examples("antiphon bench endpointing", "antiphon bench endpointing --dataset ~/data/eot-bench-data")
)
def endpointing(
    texts: Annotated[
        Path | None,
        typer.Option(help='JSON with the lists "finished" and "broken_off".', show_default="the bench's own"),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Folder of spoken turns in the format of LiveKit's eot-bench, instead.", show_default=False),
    ] = None,
    language: Annotated[str, typer.Option(help="Language of the turns of --dataset.")] = "en",
    turns: Annotated[int | None, typer.Option(min=1, help="Turns of --dataset.", show_default="all")] = None,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Ask the decoder which texts are finished, or the whole agent which pauses of spoken turns are their end."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.corpus import read_json
        from bench.turn_ends.texts import TEXTS, Texts, measure
        from pipeline.backends import DECODERS

        if dataset is not None:
            from bench.turn_ends.report import measure as replayed

            return await replayed(settings, store_of(settings), dataset, language, turns, progress)
        asked = read_json(texts or TEXTS, Texts)
        decoder = await DECODERS[settings.decoder.backend].open(settings, store_of(settings))
        try:
            return await measure(decoder, settings, asked, progress)
        finally:
            await decoder.close()

    report(measured, as_json, out, picture, config)


@bench_app.command("encoder-cache", epilog=examples("antiphon bench encoder-cache --sizes small --seconds 10"))
def encoder_cache(
    families: Annotated[
        str | None, typer.Option(help="Audio encoders, separated by commas.", show_default="all")
    ] = None,
    sizes: Annotated[str, typer.Option(help="Sizes of their layers, separated by commas: small, real.")] = "small,real",
    layers: Annotated[int, typer.Option(min=1, help="Most layers of each.")] = 2,
    seconds: Annotated[float, typer.Option(min=5, max=120, help="The longest turn.")] = 60,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where they run.")] = "cpu",
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
) -> None:
    """Encode turns of noise incrementally and at once; print the work that is left after the last sample."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.gpu.encoder_cache import measure
        from bench.gpu.towers import FAMILIES

        names = listed(families) if families else list(FAMILIES)
        return measure(names, listed(sizes), layers, seconds, device=device, progress=progress)

    report(measured, as_json, out, picture, None)


bench_app.command(epilog=examples("antiphon bench abuse --events 5000 --offers 500"))(abuse)
