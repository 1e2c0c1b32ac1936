"""Everything that is loaded once a process and shared by all conversations."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from audio.errors import PlainError
from audio.pcm import silence
from pipeline.backends import DECODERS, ENCODERS, loading
from pipeline.decoders.decoder import Close, Decoder, Open, Sampling, Text
from pipeline.encoders.encoder import Encoder
from pipeline.listening.caller.speaker_encoder import Ge2eEncoder, SpeakerEncoder
from pipeline.listening.smart_turn import SecondOpinion, SmartTurn
from pipeline.listening.vad import FRAME_SAMPLES, SileroVad, Vad
from pipeline.runtime.matrix_threads import use_own_thread_only
from pipeline.runtime.workers import Urgency, Workers
from pipeline.settings import PipelineSettings
from pipeline.voice_catalogue import VoiceCatalogue, VoiceNotAtHand, voices_at_hand
from pipeline.weights.store import ModelStore
from tts.synthesizer import Closable, UnknownVoice, Voice

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Engine:
    """The loaded models and the threads that run them."""

    settings: PipelineSettings
    vad: Vad
    encoder: Encoder
    decoder: Decoder
    synthesizer: VoiceCatalogue
    workers: Workers
    second_opinion: SecondOpinion | None = None
    speaker_encoder: SpeakerEncoder | None = None

    @property
    def voice(self) -> str:
        """The voice that speaks unless a session asks for another."""
        return self.synthesizer.first

    @classmethod
    async def load(
        cls, settings: PipelineSettings, store: ModelStore, report: Callable[[str], None] = lambda stage: None
    ) -> "Engine":
        """Load the models that `settings` name and run each once, so that the first turn is as quick as the next.

        `report` is called with each step that begins. Raises `ModelError`, `MissingPackage`, or what a backend raises.
        """
        use_own_thread_only()
        vad_model, opinion_model = settings.vad.model, settings.turn.second_opinion
        speaker_model = settings.turn.speaker_encoder
        with loading("vad", vad_model):
            vad = SileroVad(store.resolve(vad_model))
        with loading("second opinion", opinion_model):
            opinion = SmartTurn(store.resolve(opinion_model)) if opinion_model else None
        with loading("speaker encoder", speaker_model):
            speaker_encoder = Ge2eEncoder(store.resolve(speaker_model)) if speaker_model else None
        report(f"loading the encoder {settings.encoder.model}")
        with loading("encoder", settings.encoder.model):
            encoder = await ENCODERS[settings.encoder.backend].open(settings, store)
        report(f"loading the voice {settings.voice.name}")
        synthesizer = voices_at_hand(settings, store)
        await asyncio.to_thread(synthesizer.prepare)
        report(f"loading the decoder {settings.decoder.model}")
        with loading("decoder", settings.decoder.model):
            decoder = await DECODERS[settings.decoder.backend].open(settings, store)
        settings = _with_room_of(decoder, settings)
        prepare = partial(_use_threads, settings.encoder.threads) if decoder.audio_encoder is not None else lambda: None
        workers = Workers(settings.workers.threads, prepare)
        engine = cls(settings, vad, encoder, decoder, synthesizer, workers, opinion, speaker_encoder)
        report("warming up")
        await engine._warm_up()
        return engine

    async def ready(self, voice: str) -> None:
        """Load `voice` without blocking the conversations that run. Raises `UnknownVoice`."""
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
        """Another voice, which needs no server; None: this machine has no other."""
        try:
            return await asyncio.to_thread(self.synthesizer.stand_in, voice)
        except PlainError:
            log.exception("no voice can stand in for %s", voice)
            return None

    async def close(self) -> None:
        await self.decoder.close()
        await asyncio.to_thread(self.synthesizer.close)
        if isinstance(self.encoder, Closable):
            await asyncio.to_thread(self.encoder.close)
        await asyncio.to_thread(self.workers.close)

    async def _warm_up(self) -> None:
        self.vad.open().push(silence(FRAME_SAMPLES))
        await asyncio.to_thread(self.encoder.warm_up)
        if self.decoder.audio_encoder is not None:
            await self.workers.run(Urgency.LISTEN, self.decoder.audio_encoder.warm_up)
        # With the instructions that conversations begin with: the first one finds them read.
        context = self.decoder.open(self.settings.agent.instructions)
        await context.append([Open("user"), Text("Hello."), Close("user")])
        async for _ in context.generate(Sampling(temperature=0, top_p=1, max_tokens=1)):
            pass
        await context.close()


def _with_room_of(decoder: Decoder, settings: PipelineSettings) -> PipelineSettings:
    """`settings` with the context that the decoder has: a server's may differ from what is configured."""
    configured = settings.decoder
    if decoder.capacity == configured.context_tokens:
        return settings
    log.info("the decoder's context has %d tokens, not %d", decoder.capacity, configured.context_tokens)
    if configured.max_tokens >= decoder.capacity:
        raise PlainError(
            f"decoder.max_tokens = {configured.max_tokens} leaves no room for a question in the context of "
            f"{decoder.capacity} tokens that the decoder's server has"
        )
    fitted = configured.model_copy(update={"context_tokens": decoder.capacity})
    return settings.model_copy(update={"decoder": fitted})


def _use_threads(threads: int) -> None:
    """Limit torch on this thread: by itself it takes every core for one utterance."""
    import torch

    torch.set_num_threads(threads)
