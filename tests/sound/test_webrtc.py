"""The agent with its real models, called over WebRTC: on a good line, broken into, and on a bad line."""

import asyncio
from statistics import mean
from typing import Any

import numpy as np

from audio.pcm import Pcm
from bench.callers.phone import MICROPHONE_RATE, PLAYBACK_RATE, Phone, ring
from bench.callers.relay import Relay
from pipeline.encoders.encoder import Encoder
from tests.support.serving import served
from tests.support.speech import INTELLIGIBLE, recordings, word_errors


class Talker:
    """A person on the phone."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.events: list[dict[str, Any]] = []
        self._asked_at = 0

    async def begin(self) -> None:
        audio = {"input": {"transcription": {"model": "antiphon"}}}
        await self.phone.send({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
        await self.until("session.updated")

    async def ask(self, name: str) -> str:
        """Say a recording; returns what was heard of it."""
        self._asked_at = len(self.phone.sound())
        saying = asyncio.create_task(self.phone.microphone.say(recordings()[name].pcm(MICROPHONE_RATE)))
        transcript: str = (await self.until("conversation.item.input_audio_transcription.completed"))["transcript"]
        await saying
        return transcript

    async def until(self, *kinds: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                event = await self.phone.receive()
                self.events.append(event)
                assert event["type"] != "error", event
                if event["type"] in kinds:
                    return event

    def item_of(self, response_id: str) -> str:
        """The message that an answer is."""
        added = (event for event in self.events if event["type"] == "response.output_item.added")
        return next(str(event["item"]["id"]) for event in added if event["response_id"] == response_id)

    async def answer(self) -> tuple[str, Pcm]:
        """The words of the next answer, and its sound."""
        done = await self.until("output_audio_buffer.stopped")
        said = next(
            event["transcript"]
            for event in reversed(self.events)
            if event["type"] == "response.output_audio_transcript.done" and event["response_id"] == done["response_id"]
        )
        # What has left is still on its way for a moment.
        end = len(self.phone.sound()) + PLAYBACK_RATE // 2
        await self.phone.listen(lambda sound: len(sound) >= end)
        return said, self.heard()

    def heard(self) -> Pcm:
        """The sound of the answer to what was asked last, as far as it has come."""
        sound = self.phone.sound()[self._asked_at :]
        loud = np.flatnonzero(np.abs(sound) > 0.02)
        return sound[loud[0] :] if len(loud) else sound[:0]


def transcribe(encoder: Encoder, pcm: Pcm) -> str:
    stream = encoder.open()
    stream.push(pcm)
    return stream.finish().text


async def test_a_spoken_question_gets_a_spoken_answer_and_memory() -> None:
    async with served() as (engine, client), ring(url_of(client)) as phone:
        talker = Talker(phone)
        await talker.begin()
        for name in ("turn_02", "turn_05"):
            heard = await talker.ask(name)
            assert word_errors(recordings()[name].text, heard) <= 0.25
            said, sound = await talker.answer()
            assert np.abs(sound).max() > 0.1
            assert word_errors(said, transcribe(engine.encoder, sound)) <= INTELLIGIBLE


async def test_breaking_in_stops_the_sound_and_truncates_by_itself() -> None:
    async with served() as (_, client), ring(url_of(client)) as phone:
        talker = Talker(phone)
        await talker.begin()
        await talker.ask("turn_06")
        await talker.until("output_audio_buffer.started")
        await phone.listen(lambda _: len(talker.heard()) > 1.5 * PLAYBACK_RATE)
        # Not a mere request for silence, which may go without an answer.
        saying = asyncio.create_task(phone.microphone.say(recordings()["barge_02"].pcm(MICROPHONE_RATE)))
        cleared = await talker.until("output_audio_buffer.cleared")
        heard_s, end = len(talker.heard()) / PLAYBACK_RATE, len(phone.sound())
        await talker.until("response.created")
        answered = len(phone.sound())
        await saying
        retrieve = {"type": "conversation.item.retrieve", "item_id": talker.item_of(cleared["response_id"])}
        await phone.send(retrieve)
        item = (await talker.until("conversation.item.retrieved"))["item"]
        remembered = item["content"][0]["transcript"]
        to_be_said = "".join(
            event["delta"]
            for event in talker.events
            if event["type"] == "response.output_audio_transcript.delta"
            and event["response_id"] == cleared["response_id"]
        )
        assert remembered
        assert to_be_said.startswith(remembered)
        assert len(remembered) < len(to_be_said)
        assert len(remembered.split()) < 6 * heard_s
        assert np.abs(phone.sound()[end + PLAYBACK_RATE * 15 // 100 : answered]).max(initial=0) < 0.05


async def test_a_bad_line_is_understood_both_ways() -> None:
    """5 % of the packets are lost, and each comes up to 50 ms late, in both directions."""
    names = ("turn_02", "turn_08", "turn_12")
    async with served() as (engine, client), Relay(0.05, 0.05) as relay, ring(url_of(client), relay=relay) as phone:
        talker = Talker(phone)
        await talker.begin()
        clean, heard, errors_of_answers = [], [], []
        for recording in (recordings()[name] for name in names):
            clean.append(transcribe(engine.encoder, recording.pcm()))
            heard.append(await talker.ask(recording.path.stem))
            said, sound = await talker.answer()
            errors_of_answers.append(word_errors(said, transcribe(engine.encoder, sound)))
        assert relay.dropped > 0.03 * relay.passed
        asked = " ".join(recordings()[name].text for name in names)
        assert word_errors(asked, " ".join(heard)) <= word_errors(asked, " ".join(clean)) + 0.1
        assert mean(errors_of_answers) <= INTELLIGIBLE


def url_of(client: Any) -> str:  # noqa: ANN401
    return str(client.base_url).removesuffix("/v1/")
