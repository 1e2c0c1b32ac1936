"""The benchmarks of recognizer and voices on the command line. Each imports its code when it runs."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.running import BUNDLED_RECORDINGS, Config, Corpus, Json, Out, Picture, Progress, listed, report, store_of
from realtime.cli.console import examples
from realtime.settings import Settings

if TYPE_CHECKING:
    from bench.report import Report

speech_app = typer.Typer()


@speech_app.command(epilog=examples("antiphon bench wer", "antiphon bench wer --snr 10 --kinds turn"))
def wer(
    corpus: Corpus = BUNDLED_RECORDINGS,
    kinds: Annotated[str, typer.Option(help="Kinds of recordings, separated by commas.")] = "turn,pause",
    snr: Annotated[float | None, typer.Option(help="Add white noise this many dB below the speech.")] = None,
    gain: Annotated[float, typer.Option(help="Amplify by this many dB.")] = 0.0,
    pairs: Annotated[bool, typer.Option("--pairs", help="Two recordings in one turn: each with the next one.")] = False,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Recognize recordings padded to 30 s, spliced, and while they are spoken; print errors and times of each."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from audio.pcm import INPUT_RATE
        from bench.corpus import read_corpus
        from bench.speech.wer import altered, joined, measure

        recordings = altered(read_corpus(corpus, kinds.split(","), INPUT_RATE), snr, gain)
        if pairs:
            recordings = joined(recordings)
        return measure(store_of(settings).resolve(settings.encoder.model), settings.encoder, recordings, progress)

    report(measured, as_json, out, picture, config)


@speech_app.command(
    epilog=examples(
        "antiphon bench synthesis",
        "antiphon bench synthesis --texts sentences.txt --repeats 3",
    )
)
def synthesis(
    texts: Annotated[
        Path | None, typer.Option(help="File of sentences, one a line.", show_default="the bench's own")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often each sentence is spoken.")] = 5,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Speak sentences in windows and at once; print the time to the first audio, and the word error rate."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.speech.synthesis import TEXTS, measure, read_texts
        from pipeline.backends import ENCODERS

        sentences, store = read_texts(texts or TEXTS), store_of(settings)
        encoder = await ENCODERS[settings.encoder.backend].open(settings, store)
        return measure(store.resolve(settings.voice.name), settings.voice, encoder, sentences, repeats, progress)

    report(measured, as_json, out, picture, config)


@speech_app.command(epilog=examples("antiphon bench voices", "antiphon bench voices --voices af_heart,bf_emma"))
def voices(
    names: Annotated[
        str | None, typer.Option("--voices", help="Names of voices, separated by commas.", show_default="all")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="File of sentences, one a line.", show_default="the bench's own")
    ] = None,
    as_json: Json = False,
    out: Out = None,
    picture: Picture = None,
    config: Config = None,
) -> None:
    """Speak sentences in every available voice; print latency, cost, loudness and word error rate."""

    async def measured(settings: Settings, progress: Progress) -> "Report":
        from bench.speech.synthesis import TEXTS, read_texts
        from bench.speech.voices import measure
        from pipeline.backends import ENCODERS

        sentences, store = read_texts(texts or TEXTS), store_of(settings)
        encoder = await ENCODERS[settings.encoder.backend].open(settings, store)
        wanted = listed(names) if names else None
        if texts is None:
            sentences = sentences[1::2]  # each is spoken four times in every voice
        return await asyncio.to_thread(measure, settings, store, encoder, wanted, sentences, progress)

    report(measured, as_json, out, picture, config)
