"""The whole agent with a decoder that hears: a real voice and real captions, and a random mind that talks nonsense."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedModel

from audio.pcm import silence
from pipeline.answering.loops import LOOPING_WORDS
from pipeline.decoders.torch_models.transformers_lm import TransformersDecoder
from pipeline.engine import Engine
from pipeline.settings import DecoderSettings
from realtime.settings import ServerSettings, Settings
from tests.support.audio_native_models import gemma, qwen25_omni
from tests.support.serving import UNANNOUNCED, Caller, call, served
from tests.support.speech import recordings, word_errors

WORDS = (" river", " seven", " apple", " green", " window", " paper", " morning", " music", " open", " table")
MAX_TOKENS = LOOPING_WORDS - 1
"""A word each: a random mind goes round in circles, and with one more the answer would be cut as a loop."""
WIRE_SAMPLES_A_MS = 24
TOKENS_A_BLOCK = 50
"""Of Qwen2.5-Omni: 2 s of sound, which no sound to come can change."""
TEMPLATE = 120
"""Upper bound of the chat template's tokens after a turn, a byte each."""

Build = Callable[[Path, Sequence[str]], PreTrainedModel]


class Reading:
    """What the decoder reads, while it does."""

    def __init__(self, engine: Engine) -> None:
        assert isinstance(engine.decoder, TransformersDecoder)
        self.sound = 0
        """Vectors of sound that were read."""
        self.vectors: set[bytes] = set()
        """Which ones."""
        engine.decoder.model.register_forward_hook(self._note, with_kwargs=True)

    def _note(self, model: object, args: object, kwargs: dict[str, Any], output: object) -> None:
        vectors = kwargs.get("inputs_embeds")
        if vectors is not None:
            self.sound += vectors.shape[1]
            self.vectors |= {vector.numpy().tobytes() for vector in vectors[0]}


@asynccontextmanager
async def nonsense(
    build: Build, folder: Path, *, playback: bool = False, **audio_input: object
) -> AsyncIterator[tuple[Engine, Caller]]:
    build(folder, WORDS)
    settings = Settings(
        decoder=DecoderSettings(backend="torch", model=str(folder), device="cpu", temperature=0, max_tokens=MAX_TOKENS),
        stopgaps=UNANNOUNCED,
        server=ServerSettings(max_sessions=2),
    )
    async with served(settings) as (engine, client), call(client, playback=playback, **audio_input) as caller:
        yield engine, caller


@pytest.mark.parametrize("build", [qwen25_omni, gemma], ids=lambda build: build.__name__)
async def test_a_spoken_turn_is_heard_answered_and_captioned(build: Build, tmp_path: Path) -> None:
    async with nonsense(build, tmp_path) as (engine, caller):
        reading = Reading(engine)
        recording = recordings()["turn_02"]
        await caller.say(recording.pcm(24_000))
        done = await caller.answered()
        assert done.response.status == "incomplete"
        assert done.response.status_details.reason == "max_output_tokens"
        assert np.abs(caller.audio(done.response.id)).max() > 0.1
        said = done.response.output[0].content[0].transcript
        assert set(said.split()) <= {word.strip() for word in WORDS}
        (heard,) = [event for event in caller.events if event.type.endswith("transcription.completed")]
        assert word_errors(recording.text, heard.transcript) <= 0.25
        assert reading.sound >= 25 * recording.speech_end_s, "25 vectors a second"


async def test_what_was_said_early_is_read_before_the_turn_ends(tmp_path: Path) -> None:
    detection = {"type": "server_vad", "silence_duration_ms": 1500}
    async with nonsense(qwen25_omni, tmp_path, turn_detection=detection) as (_, caller):
        words = recordings()["turn_02"].pcm(24_000)
        # The model scales by the loudest moment: what is louder than all before makes it hear all that anew.
        question = np.concatenate((words, 0.7 * words, 0.7 * words))
        await caller.talk(question)
        usage = (await caller.answered()).response.usage
        cached = usage.input_token_details.cached_tokens
        assert cached >= 3 * TOKENS_A_BLOCK
        assert usage.input_tokens - cached <= 2 * TOKENS_A_BLOCK + TEMPLATE, (
            "one open block, and two seconds of silence"
        )


async def test_a_barge_in_leaves_the_played_words(tmp_path: Path) -> None:
    async with nonsense(qwen25_omni, tmp_path, playback=True) as (_, caller):
        await caller.say(recordings()["turn_06"].pcm(24_000))
        done = await caller.answered()
        audio = caller.audio(done.response.id)
        spoken = done.response.output[0].content[0].transcript
        # As fast as time: a slow machine would hear the words only when the short answer was over.
        await caller.talk(recordings()["turn_02"].pcm(24_000))
        cut = await caller.quiet_until("conversation.item.truncated")
        assert 0 < cut.audio_end_ms * WIRE_SAMPLES_A_MS < len(audio)
        await caller.quiet_until("response.done")
        await caller.connection.conversation.item.retrieve(item_id=cut.item_id)
        item = (await caller.until("conversation.item.retrieved")).item
        assert 0 < len(item.content[0].transcript) < len(spoken)
        assert spoken.startswith(item.content[0].transcript)


async def test_the_turns_before_stay_in_the_cache_as_sound(tmp_path: Path) -> None:
    async with nonsense(qwen25_omni, tmp_path) as (engine, caller):
        heard, before = 0.0, set[bytes]()
        for name in ("turn_02", "turn_05"):
            reading = Reading(engine)
            await caller.say(recordings()[name].pcm(24_000))
            done = await caller.answered()
            await caller.say(silence(len(caller.audio(done.response.id)) + 24_000))
            heard += recordings()[name].speech_end_s
            assert reading.vectors.isdisjoint(before), "the first turn was not read again"
            before = set(reading.vectors)
        assert done.response.usage.input_tokens >= 25 * heard
