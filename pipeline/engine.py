"""Everything that is loaded once a process and shared by all conversations."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pipeline.audio import silence
from pipeline.decoders.decoder import Close, Decoder, Open, Sampling, Text
from pipeline.encoders.encoder import Encoder
from pipeline.errors import PlainError
from pipeline.models import ModelStore
from pipeline.registry import DECODERS, ENCODERS, loading
from pipeline.settings import PipelineSettings
from pipeline.smart_turn import SecondOpinion, SmartTurn
from pipeline.vad import FRAME_SAMPLES, Silero, Vad
from pipeline.voices import Choir, VoiceNotAtHand, voices_at_hand
from pipeline.workers import Urgency, Workers
from tts.synthesizer import UnknownVoice, Voice

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Engine:
    """The loaded models and the threads that run them."""

    settings: PipelineSettings
    vad: Vad
    encoder: Encoder
    decoder: Decoder
    synthesizer: Choir
    workers: Workers
    second_opinion: SecondOpinion | None = None

    @property
    def voice(self) -> str:
        """The one that speaks where none is asked for."""
        return self.synthesizer.first

    @classmethod
    async def load(
        cls, settings: PipelineSettings, store: ModelStore, report: Callable[[str], None] = lambda stage: None
    ) -> "Engine":
        """Load the models that `settings` name and run each once, so that the first turn is as quick as the next.

        `report` is told what is being done. Raises `ModelError`, `MissingPackage`, or what a backend raises.
        """
        vad_model, opinion_model = settings.vad.model, settings.turn.second_opinion
        with loading("vad", vad_model):
            vad = Silero(store.resolve(vad_model))
        with loading("second opinion", opinion_model):
            opinion = SmartTurn(store.resolve(opinion_model)) if opinion_model else None
        report(f"loading the encoder {settings.encoder.model}")
        with loading("encoder", settings.encoder.model):
            encoder = await ENCODERS[settings.encoder.backend].open(settings, store)
        report(f"loading the voice {settings.voice.name}")
        synthesizer = voices_at_hand(settings, store)
        await asyncio.to_thread(synthesizer.load, synthesizer.first)
        report(f"loading the decoder {settings.decoder.model}")
        with loading("decoder", settings.decoder.model):
            decoder = await DECODERS[settings.decoder.backend].open(settings, store)
        prepare = partial(_use_threads, settings.encoder.threads) if decoder.ear is not None else lambda: None
        workers = Workers(settings.workers.threads, prepare)
        engine = cls(settings, vad, encoder, decoder, synthesizer, workers, opinion)
        report("warming up")
        await engine._warm_up()
        return engine

    async def ready(self, voice: str) -> None:
        """Have `voice` loaded, beside the conversations that go on. Raises `UnknownVoice`."""
        if self.synthesizer.is_loaded(voice):
            return
        try:
            await asyncio.to_thread(self.synthesizer.load, voice)
        except UnknownVoice:
            raise
        except Exception as error:
            log.exception("the voice %s can't be loaded", voice)
            raise VoiceNotAtHand(str(error)) from error

    async def stand_in(self, voice: str) -> Voice | None:
        """Another voice, which no server can fail; None: there is none on this machine."""
        try:
            return await asyncio.to_thread(self.synthesizer.stand_in, voice)
        except PlainError:
            log.exception("no voice can stand in for %s", voice)
            return None

    async def close(self) -> None:
        await self.decoder.close()
        await asyncio.to_thread(self.synthesizer.close)
        await asyncio.to_thread(self.workers.close)

    async def _warm_up(self) -> None:
        self.vad.open().push(silence(FRAME_SAMPLES))
        self.encoder.warm_up()
        if self.decoder.ear is not None:
            await self.workers.run(Urgency.LISTEN, self.decoder.ear.warm_up)
        context = self.decoder.open("Say hello.")
        await context.append([Open("user"), Text("Hello."), Close("user")])
        async for _ in context.generate(Sampling(temperature=0, top_p=1, max_tokens=1)):
            pass
        await context.close()


def _use_threads(threads: int) -> None:
    """Of torch, on this thread: by itself it takes every core for one utterance."""
    import torch

    torch.set_num_threads(threads)
