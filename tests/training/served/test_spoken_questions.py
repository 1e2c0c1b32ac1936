"""The trained checkpoint in the whole agent: a person asks aloud how they spoke, and is answered aloud."""

from pathlib import Path

import numpy as np
import pytest
import soxr

from audio.pcm import INPUT_RATE, Pcm
from pipeline.settings import AgentSettings, DecoderSettings
from pipeline.weights.store import ModelStore
from realtime.settings import ServerSettings, Settings
from tests.support.serving import UNANNOUNCED, WIRE, call, served
from tests.support.speech import word_errors
from training.data.effects import SPEECH_DB, at_level
from training.data.spoken import KeptSpeaker
from tts.engines.kokoro import KokoroSynthesizer
from tts.frontend.clauses import clauses_of

CHECKPOINT = Path(__file__).with_name("checkpoint")
"""As `python -m training.keep` wrote it from a run."""
ASKED, VOICE = "Was I speaking fast or slowly?", "af_bella"
"""Neither the wording nor the voice was in the training."""
SETTINGS = Settings(
    decoder=DecoderSettings(backend="torch", model=str(CHECKPOINT), device="cpu", temperature=0),
    agent=AgentSettings(instructions="", thinking="before"),
    stopgaps=UNANNOUNCED,
    server=ServerSettings(max_sessions=2),
)


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> KeptSpeaker:
    """The voice in the agent's own engine, with which the checkpoint was made."""
    store = ModelStore()
    synthesizer = KokoroSynthesizer(
        store.resolve("kokoro-82m"),
        [store.resolve("kokoro-voices") / f"{VOICE}.bin"],
        gains_db=store.models["kokoro-voices"].gains_db,
    )

    def spoken(text: str) -> Pcm:
        voice = synthesizer.open(VOICE)
        clauses = clauses_of(text)
        chunks = [speech.pcm for clause in clauses for speech in voice.speak(clause)]
        pcm: Pcm = soxr.resample(np.concatenate(chunks), voice.sample_rate, INPUT_RATE).astype(np.float32)
        return pcm

    return KeptSpeaker({VOICE: spoken}, tmp_path_factory.mktemp("spoken"))


def asked(speaker: KeptSpeaker, speed: float) -> Pcm:
    pcm = at_level(speaker.say(ASKED, VOICE, speed), SPEECH_DB)
    made: Pcm = soxr.resample(pcm, INPUT_RATE, WIRE.rate).astype(np.float32)
    return made


@pytest.mark.parametrize(("speed", "answer"), [(1.55, "fast"), (0.65, "slowly")])
async def test_it_hears_how_the_question_is_spoken(speaker: KeptSpeaker, speed: float, answer: str) -> None:
    async with served(SETTINGS) as (_, client), call(client) as caller:
        await caller.say(asked(speaker, speed))
        done = await caller.answered()
        said = done.response.output[-1].content[0].transcript
        assert word_errors(f"You spoke {answer}.", said) == 0, said
        assert np.abs(caller.audio(done.response.id)).max() > 0.1
