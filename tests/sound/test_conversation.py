"""The agent with its real models, through the official client: what a voice app lives through."""

import json
from itertools import groupby

import numpy as np
import soxr

from audio.pcm import Pcm, silence
from pipeline.conversation.rendering import STOPPED
from pipeline.engine import Engine
from tests.support.serving import Caller, Prompts, call, served
from tests.support.speech import INTELLIGIBLE, recordings, transcribe, word_errors, word_errors_of_beginning
from tts.frontend.clauses import clauses_of

WIRE_SAMPLES_A_MS = 24

DELTAS = ["response.output_audio_transcript.delta", "response.output_audio.delta"]

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def synthesize(engine: Engine, text: str) -> Pcm:
    """`text` in the agent's own voice, at 24 kHz."""
    voice = engine.synthesizer.open(engine.voice)
    clauses = clauses_of(text)
    pcm = np.concatenate([speech.pcm for clause in clauses for speech in voice.speak(clause)])
    resampled: Pcm = soxr.resample(pcm, voice.sample_rate, 24_000)
    return resampled


def kinds(caller: Caller) -> list[str]:
    """The types of the events so far; however many deltas there are in a row, they are told as one kind."""
    told = [event.type if event.type not in DELTAS else "deltas" for event in caller.events]
    return [kind for kind, _ in groupby(told)]


async def test_the_official_client_holds_a_spoken_conversation() -> None:
    async with served() as (engine, client), call(client) as caller:
        for name in ("turn_02", "turn_05"):
            caller.events.clear()
            recording = recordings()[name]
            await caller.say(recording.pcm(24_000))
            done = await caller.answered()
            assert kinds(caller) == [
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
                "conversation.item.input_audio_transcription.delta",
                "conversation.item.input_audio_transcription.completed",
                "response.created",
                "response.output_item.added",
                "conversation.item.added",
                "response.content_part.added",
                "deltas",
                "response.output_audio.done",
                "response.output_audio_transcript.done",
                "response.content_part.done",
                "response.output_item.done",
                "conversation.item.done",
                "response.done",
            ]
            (heard,) = [event for event in caller.events if event.type.endswith("transcription.completed")]
            assert word_errors(recording.text, heard.transcript) <= 0.25
            assert done.response.status == "completed"
            assert done.response.usage.output_tokens > 0
            audio = caller.audio(done.response.id)
            said = done.response.output[0].content[0].transcript
            assert np.abs(audio).max() > 0.1
            assert word_errors(said, transcribe(engine.encoder, audio)) <= INTELLIGIBLE
            await caller.say(silence(len(audio)))


async def test_what_was_said_before_is_in_the_prompt() -> None:
    async with served() as (engine, client), call(client) as caller:
        prompts = Prompts(engine)
        for text in ("My name is Ada.", "What is my name?"):
            await caller.say(synthesize(engine, text))
            done = await caller.answered()
            await caller.say(silence(len(caller.audio(done.response.id))))
        # Before and between them may stand those of answers that were begun too early.
        texts = await prompts.texts()
        first, second = next(text for text in texts if "My name is Ada" in text), texts[-1]
        answer = caller.events[-1]
        assert second.startswith(first)
        assert "What is my name" in second
        said = [event.transcript for event in caller.events if event.type == "response.output_audio_transcript.done"]
        assert said[0] in second
        assert answer.type == "response.done"


async def test_a_barge_in_leaves_exactly_the_played_words() -> None:
    async with served() as (engine, client), call(client, playback=True) as caller:
        prompts = Prompts(engine)
        await caller.say(recordings()["turn_06"].pcm(24_000))
        done = await caller.answered()
        audio = caller.audio(done.response.id)
        spoken = done.response.output[0].content[0].transcript
        # The person listens to a quarter of it, if not more was played while it was made, and then breaks in.
        await caller.say(silence(len(audio) // 4))
        await caller.talk(recordings()["turn_02"].pcm(24_000))
        cut = await caller.quiet_until("conversation.item.truncated")
        await caller.quiet_until("response.done")
        await caller.connection.conversation.item.retrieve(item_id=cut.item_id)
        item = (await caller.until("conversation.item.retrieved")).item
        remembered = item.content[0].transcript
        assert 0 < len(remembered) < len(spoken)
        assert spoken.startswith(remembered)
        history = (await prompts.texts())[-1]
        assert f"assistant\n{remembered}{STOPPED}<" in history
        played = audio[: cut.audio_end_ms * WIRE_SAMPLES_A_MS]
        assert word_errors_of_beginning(remembered, transcribe(engine.encoder, played)) <= 0.3


async def test_turns_by_hand_and_text_answers() -> None:
    async with served() as (_, client), call(client, turn_detection=None) as caller:
        await caller.say(recordings()["turn_12"].pcm(24_000))
        await caller.connection.input_audio_buffer.commit()
        await caller.connection.response.create(response={"output_modalities": ["text"]})
        done = await caller.until("response.done")
        assert done.response.output[0].content[0].text
        assert not caller.audio(done.response.id).size
        (heard,) = [event for event in caller.events if event.type.endswith("transcription.completed")]
        assert word_errors(recordings()["turn_12"].text, heard.transcript) <= 0.25


async def test_a_function_is_called_and_its_result_is_read() -> None:
    async with served() as (engine, client), call(client) as caller:
        prompts = Prompts(engine)
        tools = {"type": "realtime", "tools": [WEATHER], "tool_choice": "required"}
        await caller.connection.session.update(session=tools)  # type: ignore[arg-type]
        await caller.connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "What is the weather in Paris?"}],
            }
        )
        await caller.connection.response.create()
        done = await caller.until("response.done")
        (wanted,) = done.response.output
        assert (wanted.type, wanted.name) == ("function_call", "get_weather")
        assert "city" in json.loads(wanted.arguments)
        await caller.connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": wanted.call_id, "output": "Sunny, 21 degrees."}
        )
        await caller.connection.response.create(response={"tool_choice": "none"})
        assert (await caller.until("response.done")).response.status == "completed"
        assert "Sunny, 21 degrees." in (await prompts.texts())[-1]


async def test_ten_conversations_at_once_do_not_mix() -> None:
    import asyncio

    names = [name for name in recordings() if name.startswith("turn")][:10]
    assert len(names) == 10

    async def hold(name: str) -> str:
        async with call(client) as caller:
            await caller.say(recordings()[name].pcm(24_000))
            await caller.answered()
            (heard,) = [event for event in caller.events if event.type.endswith("transcription.completed")]
            return str(heard.transcript)

    async with served() as (engine, client):
        prompts = Prompts(engine)
        heard = await asyncio.gather(*(hold(name) for name in names))
        for name, transcript in zip(names, heard, strict=True):
            assert word_errors(recordings()[name].text, transcript) <= 0.35, name
        texts = await prompts.texts()
        # Besides the ten that were answered, there are those of turns that continued after a pause.
        assert len(texts) >= 10
        for text in texts:
            assert sum(transcript.strip() in text for transcript in heard) <= 1
        for transcript in heard:
            assert sum(transcript.strip() in text for text in texts) == 1
