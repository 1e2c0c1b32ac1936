"""What a call's listener sees and the server is told, event by event."""

import base64
from typing import Any

import numpy as np

from pipeline.audio import silence
from realtime.captions import Captions, Floor, Heard, Note, Said
from realtime.client import WIRE_RATE
from realtime.codec import AudioFormat
from realtime.speaker import Speaker

Event = dict[str, Any]

STARTED = {"type": "input_audio_buffer.speech_started", "item_id": "u1"}
STOPPED = {"type": "input_audio_buffer.speech_stopped", "item_id": "u1"}
CREATED = {"type": "response.created", "response": {"id": "r1"}}
ADDED = {"type": "response.output_item.added", "response_id": "r1", "item": {"id": "a1", "type": "message"}}
SOUND_ENDS = {"type": "response.output_audio.done", "item_id": "a1"}


def transcript(kind: str, **fields: str) -> Event:
    return {"type": f"conversation.item.input_audio_transcription.{kind}", "item_id": "u1", **fields}


def words(delta: str) -> Event:
    return {"type": "response.output_audio_transcript.delta", "item_id": "a1", "delta": delta}


def sound(seconds: float) -> Event:
    pcm = silence(round(seconds * WIRE_RATE)) + np.float32(0.5)
    delta = base64.b64encode(AudioFormat("audio/pcm", WIRE_RATE).encode(pcm)).decode()
    return {"type": "response.output_audio.delta", "item_id": "a1", "delta": delta}


def done(status: str = "completed", **fields: object) -> Event:
    timeline = {"timeline": '{"speech_ended": 0.0, "first_packet": 350.0}'}
    return {"type": "response.done", "response": {"id": "r1", "status": status, "metadata": timeline, **fields}}


class Call:
    """A call, its captions and its speaker, in virtual time."""

    def __init__(self, *events: Event) -> None:
        self.speaker = Speaker()
        self.captions = Captions(self.speaker)
        self.sent: list[Event] = []
        self.now = 10.0
        self.tell(*events)

    def tell(self, *events: Event) -> None:
        for event in events:
            self.sent += self.captions.receive(event, self.now)

    def listen(self, seconds: float) -> None:
        self.speaker.take(round(seconds * WIRE_RATE), at=self.now)
        self.now += seconds
        self.captions.advance()


def said(call: Call) -> Said:
    (line,) = [line for line in call.captions.lines if isinstance(line, Said)]
    return line


def floor(call: Call) -> Floor:
    return call.captions.floor


def spoken(line: Said) -> str:
    return " ".join(word.text for word in line.words[: line.spoken])


ANSWER = [CREATED, ADDED, words("Nice to "), words("meet you."), sound(0.4), words(" I am Antiphon."), sound(0.3)]


def test_a_turn_from_the_first_word_to_the_last() -> None:
    call = Call()
    assert floor(call) is Floor.LISTENING
    call.tell(STARTED, transcript("delta", delta="Hello"), transcript("delta", delta=" the"))
    assert floor(call) is Floor.HEARING
    assert call.captions.lines == [Heard("u1", "Hello the")]
    assert call.captions.take_final() == []
    call.tell(STOPPED, transcript("completed", transcript=" Hello there. "))
    assert floor(call) is Floor.THINKING
    assert call.captions.take_final() == [Heard("u1", "Hello there.", is_final=True)]
    call.tell(*ANSWER, SOUND_ENDS)
    assert floor(call) is Floor.SPEAKING
    assert spoken(said(call)) == ""
    call.listen(0.25)
    assert spoken(said(call)) == "Nice to meet"
    assert [word.text for word in said(call).shown] == ["Nice", "to", "meet", "you."]
    call.tell(done())
    call.listen(0.45)
    (line,) = call.captions.take_final()
    assert isinstance(line, Said)
    assert spoken(line) == "Nice to meet you. I am Antiphon."
    assert not line.is_cut
    assert floor(call) is Floor.LISTENING
    assert call.sent == []


def test_an_interruption_keeps_what_was_heard_to_its_end() -> None:
    call = Call(*ANSWER)
    call.listen(0.35)
    call.tell(STARTED)
    # 5 ms more are heard, in which the voice fades.
    truncation = {"type": "conversation.item.truncate", "item_id": "a1", "content_index": 0, "audio_end_ms": 355}
    assert call.sent == [truncation]
    line, heard = call.captions.lines
    assert isinstance(line, Said)
    assert spoken(line) == "Nice to meet"
    assert line.is_cut
    assert isinstance(heard, Heard)
    assert floor(call) is Floor.HEARING
    # What is on its way still comes too late.
    call.tell(sound(0.2), words(" And more."), done("cancelled"))
    assert not call.speaker.take(4800)[480:].any()
    assert call.captions.take_final() == [line]


def test_an_answer_that_nobody_heard_is_gone() -> None:
    call = Call(CREATED, ADDED, words("Well"), STARTED)
    assert call.sent == []
    assert call.captions.lines == [Heard("u1")]
    call = Call(*ANSWER, STARTED)
    assert [event["audio_end_ms"] for event in call.sent] == [0]
    assert call.captions.lines == [Heard("u1")]
    call = Call(CREATED, ADDED, words("Well"), done("cancelled"))
    assert call.captions.lines == []


def test_a_cough_leaves_no_caption_and_is_not_waited_for() -> None:
    call = Call(STARTED, STOPPED, transcript("completed", transcript=" "))
    assert call.captions.lines == []
    assert floor(call) is Floor.LISTENING


def test_playback_follows_the_server() -> None:
    call = Call(*ANSWER, {"type": "antiphon.playback", "state": "paused"})
    call.listen(0.3)
    assert said(call).samples == round(0.7 * WIRE_RATE)
    assert spoken(said(call)) == "Nice"  # which began in the fade
    call.tell({"type": "antiphon.playback", "state": "full"})
    call.listen(0.68)
    assert spoken(said(call)) == "Nice to meet you. I am Antiphon."


def test_voice_to_voice_is_measured_to_the_speaker_and_from_the_microphone() -> None:
    call = Call(CREATED, ADDED, words("Yes."), sound(0.5))
    call.captions.input_latency_s = 0.04
    call.now += 0.06
    call.listen(0.1)
    assert call.captions.voice_to_voice_s == []
    call.tell(done())
    assert [round(took, 3) for took in call.captions.voice_to_voice_s] == [0.45]
    call.listen(1)
    assert len(call.captions.voice_to_voice_s) == 1


def test_troubles_are_told_unless_they_are_none() -> None:
    crossed = {"type": "error", "error": {"code": "item_not_found", "message": "no such item"}}
    broken = {"type": "error", "error": {"code": "invalid_value", "message": "what is that?"}}
    call = Call(crossed, broken, CREATED, done("failed", status_details={"error": {"message": "the model is gone"}}))
    assert call.captions.lines == [Note("what is that?", is_trouble=True), Note("the model is gone", is_trouble=True)]
    assert floor(call) is Floor.LISTENING
