"""The registry of backends, by name. To add one, implement its contract and add its record here."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Generic, TypeVar

from audio.errors import PlainError
from pipeline.decoders.decoder import Decoder
from pipeline.decoders.thought_formats import FORMATS
from pipeline.encoders.encoder import Encoder
from pipeline.settings import PipelineSettings
from pipeline.weights.memory_fit import check_file_fits, check_fits
from pipeline.weights.store import ModelStore
from tts.synthesizer import Synthesizer

T = TypeVar("T")


class MissingPackage(PlainError):
    """A backend needs a package that is not installed; the message says how to install it."""


def not_installed(packages: str, extra: str) -> str:
    """The message that says how to install `extra`, as in "antiphon[bench]", where this interpreter finds it.

    pip takes the Antiphon that is installed, from a checkout or from a wheel, and adds what the extra needs.
    """
    return f"{packages} is not installed: {sys.executable} -m pip install '{extra}'"


class LoadFailed(PlainError):
    """A model is present but can't be loaded; the message has its name and the loader's error."""


@contextmanager
def loading(role: str, model: str) -> Iterator[None]:
    """Turn errors of a loader into `LoadFailed`, unless they are `PlainError`s already."""
    try:
        yield
    except PlainError:
        raise
    except Exception as error:
        raise LoadFailed(f"the {role} {model} can't be loaded: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Backend(Generic[T]):
    """How one backend is loaded. `load` imports its packages, so that unused backends import nothing."""

    needs: tuple[str, ...]
    """Modules that it imports."""
    extra: str
    """Distribution, with its extra, that installs them."""
    load: Callable[[PipelineSettings, ModelStore], Awaitable[T]]

    @property
    def missing(self) -> str:
        """The modules that are not installed, and how to install them; "" if none is missing."""
        absent = [module for module in self.needs if find_spec(module) is None]
        return not_installed(", ".join(absent), self.extra) if absent else ""

    async def open(self, settings: PipelineSettings, store: ModelStore) -> T:
        """Load the backend. Raises `MissingPackage`, `ModelError`, or what the backend raises."""
        if missing := self.missing:
            raise MissingPackage(missing)
        return await self.load(settings, store)


async def _whisper(settings: PipelineSettings, store: ModelStore) -> Encoder:
    from pipeline.encoders.whisper.whisper import WhisperEncoder

    encoder = settings.encoder
    return WhisperEncoder(store.resolve(encoder.model), encoder.compute_type, encoder.threads)


async def _transcription_server(settings: PipelineSettings, store: ModelStore) -> Encoder:
    from pipeline.encoders.transcription_server import TranscriptionServerEncoder

    encoder = settings.encoder
    return TranscriptionServerEncoder(
        encoder.url,
        api_key=encoder.api_key.get_secret_value(),
        model=encoder.model,
        language=encoder.language,
        timeout_s=encoder.timeout_s,
    )


async def _llama(settings: PipelineSettings, store: ModelStore) -> Decoder:
    from pipeline.decoders.llama_cpp.llama import LlamaDecoder

    decoder = settings.decoder
    known = store.models.get(decoder.model.partition("@")[0])
    if known is not None and known.parameters:
        raise PlainError(f'{decoder.model} runs in transformers: set decoder.backend = "torch"')
    check_held(decoder.model, decoder.device, store, decoder.context_tokens * decoder.slots)
    thoughts = decoder.thoughts or (known.thoughts if known is not None else "")
    return await LlamaDecoder.in_process(
        store.resolve(decoder.model),
        slots=decoder.slots,
        capacity=decoder.context_tokens,
        threads=decoder.threads,
        timeout_s=decoder.timeout_s,
        thoughts=FORMATS.get(thoughts),
    )


async def _llama_server(settings: PipelineSettings, store: ModelStore) -> Decoder:
    from pipeline.decoders.llama_cpp.llama import LlamaDecoder

    decoder = settings.decoder
    return await LlamaDecoder.at(
        decoder.url,
        api_key=decoder.api_key.get_secret_value(),
        timeout_s=decoder.timeout_s,
        thoughts=FORMATS.get(decoder.thoughts),
    )


async def _openai(settings: PipelineSettings, store: ModelStore) -> Decoder:
    from pipeline.decoders.chat.chat_completions import ChatDecoder
    from pipeline.decoders.chat.served_context import served_context
    from pipeline.encoders.embedding.clips import ClipEncoder

    decoder, api_key = settings.decoder, settings.decoder.api_key.get_secret_value()
    served = await served_context(decoder.url, api_key, decoder.model)
    return ChatDecoder(
        decoder.url,
        api_key,
        decoder.model,
        capacity=served or decoder.context_tokens,
        timeout_s=decoder.timeout_s,
        thoughts=FORMATS.get(decoder.thoughts),
        audio_encoder=ClipEncoder() if decoder.hears else None,
    )


async def _torch(settings: PipelineSettings, store: ModelStore) -> Decoder:
    from pipeline.decoders.torch_models import audio_native

    decoder = settings.decoder
    check_held(decoder.model, decoder.device, store, decoder.context_tokens * settings.agent.streams)
    return await audio_native.load(
        store.resolve(decoder.model),
        device=decoder.device,
        capacity=decoder.context_tokens,
        threads=decoder.threads,
        thoughts=FORMATS.get(decoder.thoughts),
    )


def check_held(model: str, device: str, store: ModelStore, tokens: int = 8192) -> None:
    """Raises `TooLarge` if this machine can't hold a model of the table, `DecoderError` if it has no such device.

    `tokens`: tokens in the KV caches of a conversation; the default is what docs/backends.md recommends.
    """
    known = store.models.get(model.partition("@")[0])
    if known is not None and known.in_llama:
        check_file_fits(model, known.size, known.cached_bytes(tokens))
        return
    from pipeline.decoders.torch_models.transformers_lm import torch_device

    target = torch_device(device)
    if known is not None and known.parameters:
        check_fits(model, known.parameters, target, known.cached_per_token * tokens)


async def _piper(settings: PipelineSettings, store: ModelStore) -> Synthesizer:
    from tts.engines.piper import PiperSynthesizer

    voice = settings.voice
    model = store.resolve(voice.name)
    known = store.models.get(voice.name)
    return PiperSynthesizer(
        model,
        model.with_name(f"{model.name}.json"),
        licence=known.licence if known else "",
        speed=voice.speed,
        threads=voice.threads,
        gain_db=known.gains_db.get(voice.name, 0.0) if known else voice.gain_db,
    )


async def _kokoro(settings: PipelineSettings, store: ModelStore) -> Synthesizer:
    from tts.engines.kokoro import KokoroSynthesizer

    voice, known = settings.voice, store.models["kokoro-voices"]
    names = [file.name.removesuffix(".bin") for file in known.files]
    if voice.name not in names:
        raise PlainError(f"Kokoro has no voice {voice.name!r}; voice.name may be {', '.join(names)}")
    model, folder = store.resolve("kokoro-82m"), store.resolve("kokoro-voices")
    names.sort(key=lambda name: name != voice.name)
    return KokoroSynthesizer(
        model,
        [folder / f"{name}.bin" for name in names],
        licence=known.licence,
        speed=voice.speed,
        threads=voice.threads,
        gains_db=known.gains_db,
    )


async def _http(settings: PipelineSettings, store: ModelStore) -> Synthesizer:
    from tts.engines.speech_server import SpeechServerSynthesizer

    voice = settings.voice
    return SpeechServerSynthesizer(
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
    from tts.engines.coqui import CoquiSynthesizer

    voice = settings.voice
    if settings.models.offline and not _is_folder(voice.model):
        raise PlainError(f"coqui-tts would fetch {voice.model}, and [models] offline forbids it: name a folder")
    return CoquiSynthesizer(
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
    from tts.engines.pocket import PocketSynthesizer

    # The package sets torch's threads to one for the whole process.
    torch.set_num_threads(threads)
    voice = settings.voice
    if settings.models.offline and not voice.model.endswith(".yaml"):
        raise PlainError("Pocket TTS would fetch its weights, and [models] offline forbids it: name a .yaml file of it")
    return PocketSynthesizer.load(voice.model or "english", [voice.name], voice.gain_db)


ENCODERS: dict[str, Backend[Encoder]] = {
    "whisper": Backend(("ctranslate2", "tokenizers"), "antiphon", _whisper),
    "http": Backend((), "antiphon", _transcription_server),
}

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
