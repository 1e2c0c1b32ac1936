"""Real voices in a whole conversation and at the command line."""

import subprocess
import tempfile
from pathlib import Path

from audio.sound_file import read_wav
from pipeline.encoders.whisper.whisper import WhisperEncoder
from pipeline.weights.store import ModelStore
from tests.support.pulse import ANTIPHON, RATE, pulse_audio, seconds_of_sound
from tests.support.serving import call, served
from tests.support.speech import INTELLIGIBLE, recordings, transcribe, word_errors


async def test_kokoro_is_loaded_on_request_and_holds_a_conversation() -> None:
    async with served() as (engine, client), call(client) as caller:
        assert not engine.synthesizer.is_loaded("bf_emma")
        session = {"type": "realtime", "audio": {"output": {"voice": "bf_emma"}}}
        await caller.connection.session.update(session=session)  # type: ignore[arg-type]
        updated = await caller.until("session.updated")
        assert updated.session.audio.output.voice == "bf_emma"
        assert engine.synthesizer.is_loaded("bf_emma")
        await caller.say(recordings()["turn_02"].pcm(RATE))
        done = await caller.answered()
        assert done.response.status == "completed"
        assert done.response.audio.output.voice == "bf_emma"
        said = done.response.output[0].content[0].transcript
        assert word_errors(said, transcribe(engine.encoder, caller.audio(done.response.id))) <= INTELLIGIBLE, said


def test_say_speaks_at_the_loudspeaker_and_into_files(tmp_path: Path) -> None:
    text = "Good morning, how are you today?"
    encoder = WhisperEncoder(ModelStore().resolve("whisper-tiny.en"), "int8", threads=1)
    with tempfile.TemporaryDirectory() as folder, pulse_audio(Path(folder)) as pulse:
        pulse.plug_in()
        with pulse.listen() as ear:
            subprocess.run([ANTIPHON, "say", text], env=pulse.environment, check=True, capture_output=True)
            aloud = ear.until(lambda pcm: seconds_of_sound(pcm) > 1)
    file = tmp_path / "said.ogg"
    subprocess.run([ANTIPHON, "say", text, "--voice", "am_michael", "--out", file], check=True, capture_output=True)
    assert file.stat().st_size < 30_000
    assert word_errors(text, transcribe(encoder, aloud)) <= INTELLIGIBLE
    assert word_errors(text, transcribe(encoder, read_wav(file, RATE))) == 0
