"""The backends that there are, by name. To add one: write it to its contract, and add its record here."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
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

    async def open(self, settings: PipelineSettings, store: ModelStore) -> T:
        """Raises `MissingPackage`, `ModelError`, or what the backend raises."""
        missing = [module for module in self.needs if find_spec(module) is None]
        if missing:
            raise MissingPackage(f"{', '.join(missing)} is not installed: pip install '{self.extra}'")
        return await self.load(settings, store)


async def _whisper(settings: PipelineSettings, store: ModelStore) -> Encoder:
    from pipeline.encoders.whisper import Whisper

    encoder = settings.encoder
    return Whisper(store.resolve(encoder.model), encoder.compute_type, encoder.threads)


async def _llama(settings: PipelineSettings, store: ModelStore) -> Decoder:
    from pipeline.decoders.llama import Llama

    decoder = settings.decoder
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

    decoder = settings.decoder
    return OpenAi(
        decoder.url,
        decoder.api_key.get_secret_value(),
        decoder.model,
        capacity=decoder.context_tokens,
        timeout_s=decoder.timeout_s,
        thoughts=FORMATS.get(decoder.thoughts),
    )


async def _torch(settings: PipelineSettings, store: ModelStore) -> Decoder:
    from pipeline.decoders.torch import Torch

    decoder = settings.decoder
    torch = await Torch.load(
        store.resolve(decoder.model),
        device=decoder.device,
        capacity=decoder.context_tokens,
        threads=decoder.threads,
    )
    torch.thoughts = FORMATS.get(decoder.thoughts, torch.thoughts)
    return torch


async def _piper(settings: PipelineSettings, store: ModelStore) -> Synthesizer:
    from tts.piper import Piper

    voice = settings.voice
    model = store.resolve(voice.name)
    return Piper(model, model.with_name(f"{model.name}.json"), speed=voice.speed, threads=voice.threads)


ENCODERS: dict[str, Backend[Encoder]] = {"whisper": Backend(("ctranslate2", "tokenizers"), "antiphon", _whisper)}

DECODERS: dict[str, Backend[Decoder]] = {
    "llama": Backend(("xllamacpp",), "antiphon", _llama),
    "llama-server": Backend((), "antiphon", _llama_server),
    "openai": Backend(("openai",), "antiphon", _openai),
    "torch": Backend(("torch", "transformers"), "antiphon", _torch),
}

SYNTHESIZERS: dict[str, Backend[Synthesizer]] = {"piper": Backend(("onnxruntime", "onnx"), "antiphon", _piper)}
