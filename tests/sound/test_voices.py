"""Real voices in use: in a whole conversation, at the command line, and when they are cut off."""

import asyncio
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipeline.encoders.whisper import Whisper
from pipeline.models import ModelStore
from pipeline.workers import Urgency, Workers
from realtime.wav import read_wav
from tests.sound.pulse import ANTIPHON, RATE, pulse_audio, seconds_of_sound
from tests.sound.serving import call, served
from tests.sound.test_conversation import transcribe
from tests.speech import recordings, word_errors
from tts.kokoro import Kokoro
from tts.piper import Piper
from tts.synthesizer import Clause, Speech, Synthesizer, Word

LONG = "The quick brown fox jumps over the lazy dog and then runs far away into the deep green woods"


async def test_kokoro_is_loaded_for_who_asks_and_holds_a_conversation() -> None:
    async with served() as (engine, client), call(client) as caller:
        assert not engine.synthesizer.is_loaded("bf_emma")
        session = {"type": "realtime", "audio": {"output": {"voice": "bf_emma"}}}
        await caller.connection.session.update(session=session)  # type: ignore[arg-type]
        updated = await caller.until("session.updated")
        assert updated.session.audio.output.voice == "bf_emma"
        assert engine.synthesizer.is_loaded("bf_emma")
        await caller.say(recordings()["turn_02"].pcm(RATE), silence_s=0.5)
        done = await caller.until("response.done")
        assert done.response.status == "completed"
        assert done.response.audio.output.voice == "bf_emma"
        said = done.response.output[0].content[0].transcript
        assert word_errors(said, transcribe(engine.encoder, caller.audio(done.response.id))) <= 0.2, said


def test_say_speaks_at_the_loudspeaker_and_into_files(tmp_path: Path) -> None:
    text = "Good morning, how are you today?"
    encoder = Whisper(ModelStore().resolve("whisper-tiny.en"), "int8", threads=1)
    with tempfile.TemporaryDirectory() as folder, pulse_audio(Path(folder)) as pulse:
        pulse.plug_in()
        with pulse.listen() as ear:
            subprocess.run([ANTIPHON, "say", text], env=pulse.environment, check=True, capture_output=True)
            aloud = ear.until(lambda pcm: seconds_of_sound(pcm) > 1)
    file = tmp_path / "said.ogg"
    subprocess.run([ANTIPHON, "say", text, "--voice", "am_michael", "--out", file], check=True, capture_output=True)
    assert file.stat().st_size < 30_000
    for pcm in (aloud, read_wav(file, RATE)):
        assert word_errors(text, transcribe(encoder, pcm)) == 0


@pytest.fixture(params=["piper", "kokoro"])
def synthesizer(request: pytest.FixtureRequest, piper: Piper, kokoro: Kokoro) -> Synthesizer:
    return piper if request.param == "piper" else kokoro


async def test_cut_off_it_makes_no_more_than_the_chunk_under_way_and_keeps_nothing(synthesizer: Synthesizer) -> None:
    made: list[int] = []

    def counted(chunks: Iterator[Speech]) -> Iterator[Speech]:
        for speech in chunks:
            made.append(speech.pcm.size)
            yield speech

    clause = Clause(tuple(Word(word, word) for word in LONG.split()), ".")
    chunks = counted(synthesizer.open(synthesizer.voices[0].name).speak(clause))
    gone = threading.Event()
    weakref.finalize(chunks, gone.set)
    workers = Workers(1)
    first = await workers.run(Urgency.FIRST_SPEECH, partial(next, chunks, None))
    step = asyncio.create_task(workers.run(Urgency.SPEECH, partial(next, chunks, None)))
    await asyncio.sleep(0)
    step.cancel()
    await asyncio.wait([step])
    del chunks, step
    assert await workers.run(Urgency.LISTEN, lambda: len(made)) <= 2
    assert isinstance(first, Speech)
    assert np.any(first.pcm)
    assert await asyncio.to_thread(gone.wait, 10)
    workers.close()
    assert len(made) <= 2
