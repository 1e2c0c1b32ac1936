"""What the captions of a call show, and what the server is sent, event by event."""

import numpy as np
from openai.types.realtime import ConversationItemTruncateEvent

from audio.pcm import silence
from realtime.protocol.audio_format import WIRE_RATE
from realtime.protocol.parsing import ServerEvent
from realtime.terminal.captions import Captions, Heard, Note, Said, Speaking
from realtime.terminal.speaker import SpeakerOutput
from tests.support.server_events import (
    Status,
    audio,
    audio_done,
    created,
    done,
    error,
    message_added,
    playback,
    speech_started,
    speech_stopped,
    transcript,
    transcript_delta,
    words,
)

STARTED, STOPPED, CREATED, ADDED, SOUND_ENDS = (
    speech_started(),
    speech_stopped(),
    created(),
    message_added(),
    audio_done(),
)


def sound(seconds: float) -> ServerEvent:
    return audio(silence(round(seconds * WIRE_RATE)) + np.float32(0.5))


def finished(status: Status = "completed", failure: str = "") -> ServerEvent:
    return done(status, failure=failure, timeline={"speech_ended": 0.0, "first_packet": 350.0})


class Call:
    """A call, its captions and its speaker, in virtual time."""

    def __init__(self, *events: ServerEvent) -> None:
        self.speaker = SpeakerOutput()
        self.captions = Captions(self.speaker)
        self.sent: list[ConversationItemTruncateEvent] = []
        self.now = 10.0
        self.receive(*events)

    def receive(self, *events: ServerEvent) -> None:
        for event in events:
            self.sent += self.captions.receive(event, self.now)

    def listen(self, seconds: float) -> None:
        self.speaker.take(round(seconds * WIRE_RATE), at=self.now)
        self.now += seconds
        self.captions.advance()


def said(call: Call) -> Said:
    (line,) = [line for line in call.captions.lines if isinstance(line, Said)]
    return line


def floor(call: Call) -> Speaking:
    return call.captions.floor


def spoken(line: Said) -> str:
    return " ".join(word.text for word in line.words[: line.spoken])


ANSWER = [CREATED, ADDED, words("Nice to "), words("meet you."), sound(0.4), words(" I am Antiphon."), sound(0.3)]


def test_a_turn_from_the_first_word_to_the_last() -> None:
    call = Call()
    assert floor(call) is Speaking.LISTENING
    call.receive(STARTED, transcript_delta("Hello"), transcript_delta(" the"))
    assert floor(call) is Speaking.HEARING
    assert call.captions.lines == [Heard("u1", "Hello the")]
    assert call.captions.take_final() == []
    call.receive(STOPPED, transcript(" Hello there. "))
    assert floor(call) is Speaking.THINKING
    assert call.captions.take_final() == [Heard("u1", "Hello there.", is_final=True)]
    call.receive(*ANSWER, SOUND_ENDS)
    assert floor(call) is Speaking.SPEAKING
    assert spoken(said(call)) == ""
    call.listen(0.25)
    assert spoken(said(call)) == "Nice to meet"
    assert [word.text for word in said(call).shown] == ["Nice", "to", "meet", "you."]
    call.receive(finished())
    call.listen(0.45)
    (line,) = call.captions.take_final()
    assert isinstance(line, Said)
    assert spoken(line) == "Nice to meet you. I am Antiphon."
    assert not line.is_cut
    assert floor(call) is Speaking.LISTENING
    assert call.sent == []


def test_an_interruption_keeps_what_was_heard_to_its_end() -> None:
    call = Call(*ANSWER)
    call.listen(0.35)
    call.receive(STARTED)
    # 5 ms more are heard, in which the voice fades.
    assert [(event.item_id, event.content_index, event.audio_end_ms) for event in call.sent] == [("a1", 0, 355)]
    line, heard = call.captions.lines
    assert isinstance(line, Said)
    assert spoken(line) == "Nice to meet"
    assert line.is_cut
    assert isinstance(heard, Heard)
    assert floor(call) is Speaking.HEARING
    # What is on its way still comes too late.
    call.receive(sound(0.2), words(" And more."), finished("cancelled"))
    assert not call.speaker.take(4800)[480:].any()
    assert call.captions.take_final() == [line]


def test_an_answer_that_was_never_played_is_dropped() -> None:
    call = Call(CREATED, ADDED, words("Well"), STARTED)
    assert call.sent == []
    assert call.captions.lines == [Heard("u1")]
    call = Call(*ANSWER, STARTED)
    assert [event.audio_end_ms for event in call.sent] == [0]
    assert call.captions.lines == [Heard("u1")]
    call = Call(CREATED, ADDED, words("Well"), finished("cancelled"))
    assert call.captions.lines == []


def test_a_cough_leaves_no_caption_and_is_not_waited_for() -> None:
    call = Call(STARTED, STOPPED, transcript(" "))
    assert call.captions.lines == []
    assert floor(call) is Speaking.LISTENING


def test_playback_follows_the_server() -> None:
    call = Call(*ANSWER, playback("paused"))
    call.listen(0.3)
    assert said(call).samples == round(0.7 * WIRE_RATE)
    assert spoken(said(call)) == "Nice"  # which began in the fade
    call.receive(playback("full"))
    call.listen(0.68)
    assert spoken(said(call)) == "Nice to meet you. I am Antiphon."


def test_a_voice_that_paused_says_the_word_again_that_it_broke_off() -> None:
    call = Call(*ANSWER)
    call.listen(0.25)
    call.receive(playback("paused"))
    call.listen(0.1)
    call.receive(playback("full", item_id=said(call).item_id, words_ms=[(0, 200), (200, 300)]))
    call.listen(0.04)
    assert [event.audio_end_ms for event in call.captions.cut()] == [245]  # 5 ms fade


def test_voice_to_voice_is_measured_to_the_speaker_and_from_the_microphone() -> None:
    call = Call(CREATED, ADDED, words("Yes."), sound(0.5))
    call.captions.set_input_latency(0.04)
    call.now += 0.06
    call.listen(0.1)
    assert call.captions.voice_to_voice_s == []
    call.receive(finished())
    assert [round(took, 3) for took in call.captions.voice_to_voice_s] == [0.45]
    call.listen(1)
    assert len(call.captions.voice_to_voice_s) == 1


def test_errors_are_shown_unless_they_are_harmless() -> None:
    crossed, broken = error("no such item", "item_truncate_invalid_item_id"), error("what is that?")
    call = Call(crossed, broken, CREATED, finished("failed", failure="the model is gone"))
    assert call.captions.lines == [Note("what is that?", is_trouble=True), Note("the model is gone", is_trouble=True)]
    assert floor(call) is Speaking.LISTENING
