"""Speech over HTTP with the official client and the real models: what is spoken is heard again."""

from pipeline.settings import EncoderSettings, VoiceSettings
from tests.support.serving import SETTINGS, call, served
from tests.support.speech import recordings, word_errors


async def test_what_is_spoken_is_heard_again() -> None:
    text = "The museum is open from nine in the morning to five in the afternoon."
    async with served() as (_, client):
        spoken = await client.audio.speech.create(model="tts-1", voice="cedar", input=text, response_format="mp3")
        heard = await client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", spoken.content))
        assert word_errors(text, heard.text) <= 0.2


async def test_a_recording_is_transcribed_in_a_stream() -> None:
    recording = recordings()["turn_02"]
    async with served() as (_, client):
        stream = await client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", recording.path.read_bytes()), stream=True
        )
        events = [event async for event in stream]
        assert events[-1].type == "transcript.text.done"
        assert word_errors(recording.text, events[-1].text) <= 0.2


async def test_one_server_hears_and_speaks_for_the_agents_of_another() -> None:
    recording = recordings()["turn_02"]
    async with served() as (_, models):
        url = str(models.base_url)
        apart = {"encoder": EncoderSettings(backend="http", url=url), "voice": VoiceSettings(backend="http", url=url)}
        async with served(SETTINGS.model_copy(update=apart)) as (_, client), call(client) as caller:
            await caller.say(recording.pcm(24_000))
            done = await caller.answered()
            heard = next(event.transcript for event in caller.events if event.type.endswith("transcription.completed"))
            assert word_errors(recording.text, heard) <= 0.25
            assert len(caller.audio(done.response.id)) > 24_000 / 4
