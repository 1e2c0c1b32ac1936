"""The voices that ask the questions."""

from collections.abc import Callable

from pipeline.engine import Engine
from tts.synthesizer import Voice


async def several(engine: Engine, progress: Callable[[str], None]) -> list[Voice]:
    """Every voice on this machine that needs no other one, loaded. Raises `PlainError`."""
    embedded = {voice.name for part in engine.synthesizer.parts if part.embedded for voice in part.voices}
    names = [
        listed.voice.name
        for listed in engine.synthesizer.list()
        if listed.voice.name in embedded and listed.state in ("loaded", "on disk")
    ]
    for name in names:
        progress(f"loading the voice {name}")
        await engine.ready(name)
    return [engine.synthesizer.open(name) for name in names]
