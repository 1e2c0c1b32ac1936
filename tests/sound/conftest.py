"""The real models, loaded once."""

from pathlib import Path

import pytest

from pipeline.weights.store import ModelStore
from tts.engines.kokoro import KokoroSynthesizer
from tts.engines.piper import PiperSynthesizer


@pytest.fixture(scope="session")
def voice_model() -> Path:
    return ModelStore().resolve("en_US-joe-medium")


@pytest.fixture(scope="session")
def piper(voice_model: Path) -> PiperSynthesizer:
    return PiperSynthesizer(voice_model, voice_model.with_name(f"{voice_model.name}.json"), licence="CC0-1.0")


@pytest.fixture(scope="session")
def kokoro() -> KokoroSynthesizer:
    store = ModelStore()
    voices = sorted(store.resolve("kokoro-voices").glob("*.bin"))
    return KokoroSynthesizer(store.resolve("kokoro-82m"), voices, gains_db=store.models["kokoro-voices"].gains_db)
