"""The backends that there are, by name. To add one: write it to its contract, and add its record here."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Generic, TypeVar

from pipeline.decoders.decoder import Decoder
from pipeline.decoders.thoughts import FORMATS
from pipeline.encoders.encoder import Encoder
from pipeline.errors import PlainError
from pipeline.models import ModelStore
from pipeline.settings import PipelineSettings
from tts.synthesizer import Synthesizer

T = TypeVar("T")


class MissingPackage(PlainError):
    """A backend needs a package that is not installed; the message says how to get it."""


class LoadFailed(PlainError):
    """A model is there and can't be used; the message says which, and what its loader says."""


@contextmanager
def loading(role: str, model: str) -> Iterator[None]:
    """What a loader raises comes out as `LoadFailed`, unless it is plain already."""
    try:
        yield
    except PlainError:
        raise
    except Exception as error:
        raise LoadFailed(f"the {role} {model} can't be loaded: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Backend(Generic[T]):
    """How one backend is loaded. `load` imports what it needs, so that nothing is imported that is not used."""

    needs: tuple[str, ...]
    """Names of the modules it imports."""
    extra: str
    """What installs them."""
    load: Callable[[PipelineSettings, ModelStore], Awaitable[T]]

    @property
    def missing(self) -> str:
        """Which of them are not installed, and what installs them; "" if all are."""
        absent = [module for module in self.needs if find_spec(module) is None]
        return f"{', '.join(absent)} is not installed: pip install '{self.extra}'" if absent else ""

    async def open(self, settings: PipelineSettings, store: ModelStore) -> T:
        """Raises `MissingPackage`, `ModelError`, or what the backend raises."""
        if missing := self.missing:
            raise MissingPackage(missing)
        return await self.load(settings, store)


async def _whisper(settings: PipelineSettings, store: ModelStore) -> Encoder:
    from pipeline.encoders.whisper import Whisper

    encoder = settings.encoder
    return Whisper(store.resolve(encoder.model), encoder.compute_type, encoder.threads)


async def _llama(settings: PipelineSettings, store: ModelStore) -> Decoder:
    from pipeline.decoders.llama import Llama

    decoder = settings.decoder
    known = store.models.get(decoder.model.partition("@")[0])
    if known is not None and known.parameters:
        raise PlainError(f'{decoder.model} runs in transformers: set decoder.backend = "torch"')
    llama = await Llama.in_process(
        store.resolve(decoder.model),
        slots=decoder.slots,
        capacity=decoder.context_tokens,
        threads=decoder.threads,
        timeout_s=decoder.timeout_s,
    )
    llama.thoughts = FORMATS.get(decoder.thoughts, llama.thoughts)
    return llama


async def _llama_server(settings: PipelineSettings, store: ModelStore) -> Decoder:
    from pipeline.decoders.llama import Llama

    decoder = settings.decoder
    llama = await Llama.at(decoder.url, api_key=decoder.api_key.get_secret_value(), timeout_s=decoder.timeout_s)
    llama.thoughts = FORMATS.get(decoder.thoughts, llama.thoughts)
    return llama


async def _openai(settings: PipelineSettings, store: ModelStore) -> Decoder:
    from pipeline.decoders.openai import OpenAi
    from pipeline.encoders.clips import Clips

    decoder = settings.decoder
    return OpenAi(
        decoder.url,
        decoder.api_key.get_secret_value(),
        decoder.model,
        capacity=decoder.context_tokens,
        timeout_s=decoder.timeout_s,
        thoughts=FORMATS.get(decoder.thoughts),
        ear=Clips() if decoder.hears else None,
    )


async def _torch(settings: PipelineSettings, store: ModelStore) -> Decoder:
    from pipeline.decoders import hearing

    decoder = settings.decoder
    check_held(decoder.model, decoder.device, store, decoder.context_tokens * settings.agent.streams)
    torch = await hearing.load(
        store.resolve(decoder.model),
        device=decoder.device,
        capacity=decoder.context_tokens,
        threads=decoder.threads,
    )
    torch.thoughts = FORMATS.get(decoder.thoughts, torch.thoughts)
    return torch


def check_held(model: str, device: str, store: ModelStore, tokens: int = 8192) -> None:
    """Raises `TooLarge` if this machine can't hold a model of the table, `DecoderError` if it has no such device.

    `tokens`: that one conversation keeps; so many unless told are what docs/backends.md advises.
    """
    from pipeline.decoders.torch import placed
    from pipeline.memory import check_fits

    place = placed(device)
    known = store.models.get(model.partition("@")[0])
    if known is not None and known.parameters:
        check_fits(model, known.parameters, place, known.cached_per_token * tokens)


async def _piper(settings: PipelineSettings, store: ModelStore) -> Synthesizer:
    from tts.piper import Piper

    voice = settings.voice
    model = store.resolve(voice.name)
    known = store.models.get(voice.name)
    return Piper(
        model,
        model.with_name(f"{model.name}.json"),
        licence=known.licence if known else "",
        speed=voice.speed,
        threads=voice.threads,
        gain_db=known.gains_db.get(voice.name, 0.0) if known else voice.gain_db,
    )


async def _kokoro(settings: PipelineSettings, store: ModelStore) -> Synthesizer:
    from tts.kokoro import Kokoro

    voice, known = settings.voice, store.models["kokoro-voices"]
    names = [file.name.removesuffix(".bin") for file in known.files]
    if voice.name not in names:
        raise PlainError(f"Kokoro has no voice {voice.name!r}; voice.name may be {', '.join(names)}")
    model, folder = store.resolve("kokoro-82m"), store.resolve("kokoro-voices")
    names.sort(key=lambda name: name != voice.name)
    return Kokoro(
        model,
        [folder / f"{name}.bin" for name in names],
        licence=known.licence,
        speed=voice.speed,
        threads=voice.threads,
        gains_db=known.gains_db,
    )


async def _http(settings: PipelineSettings, store: ModelStore) -> Synthesizer:
    from tts.http import Http

    voice = settings.voice
    return Http(
        voice.url,
        [voice.name],
        api_key=voice.api_key.get_secret_value(),
        model=voice.model,
        language=voice.language,
        speed=voice.speed,
        timeout_s=voice.timeout_s,
        gain_db=voice.gain_db,
    )


async def _xtts(settings: PipelineSettings, store: ModelStore) -> Synthesizer:
    from tts.xtts import Xtts

    voice = settings.voice
    if settings.models.offline and not _is_folder(voice.model):
        raise PlainError(f"coqui-tts would fetch {voice.model}, and [models] offline forbids it: name a folder")
    return Xtts(
        voice.model,
        [voice.name],
        language=voice.language,
        speed=voice.speed,
        threads=voice.threads,
        timeout_s=voice.timeout_s,
        python=voice.python,
        accept_licence=voice.accept_licence,
        gain_db=voice.gain_db,
    )


def _is_folder(model: str) -> bool:
    return Path(model).expanduser().is_dir()


async def _pocket(settings: PipelineSettings, store: ModelStore) -> Synthesizer:
    import torch

    threads = torch.get_num_threads()
    from tts.pocket import Pocket

    # The package sets them to one for the whole process.
    torch.set_num_threads(threads)
    voice = settings.voice
    if settings.models.offline and not voice.model.endswith(".yaml"):
        raise PlainError("Pocket TTS would fetch its weights, and [models] offline forbids it: name a .yaml file of it")
    return Pocket.load(voice.model or "english", [voice.name], voice.gain_db)


ENCODERS: dict[str, Backend[Encoder]] = {"whisper": Backend(("ctranslate2", "tokenizers"), "antiphon", _whisper)}

DECODERS: dict[str, Backend[Decoder]] = {
    "llama": Backend(("xllamacpp",), "antiphon", _llama),
    "llama-server": Backend((), "antiphon", _llama_server),
    "openai": Backend(("openai",), "antiphon", _openai),
    "torch": Backend(("torch", "transformers"), "antiphon", _torch),
}

SYNTHESIZERS: dict[str, Backend[Synthesizer]] = {
    "piper": Backend(("onnxruntime", "onnx"), "antiphon", _piper),
    "kokoro": Backend(("onnxruntime", "onnx"), "antiphon", _kokoro),
    "http": Backend(("httpx",), "antiphon", _http),
    "xtts": Backend(("httpx",), "antiphon", _xtts),
    "pocket": Backend(("pocket_tts",), "antiphon[pocket]", _pocket),
}
