"""Captions of a call: server events and the speaker's progress in, lines of text out. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from openai.types.realtime import (
    ConversationItemInputAudioTranscriptionCompletedEvent,
    ConversationItemInputAudioTranscriptionDeltaEvent,
    ConversationItemInputAudioTranscriptionFailedEvent,
    ConversationItemTruncateEvent,
    InputAudioBufferSpeechStartedEvent,
    InputAudioBufferSpeechStoppedEvent,
    RealtimeConversationItemAssistantMessage,
    RealtimeErrorEvent,
    RealtimeResponse,
    ResponseAudioDeltaEvent,
    ResponseAudioDoneEvent,
    ResponseAudioTranscriptDeltaEvent,
    ResponseCreatedEvent,
    ResponseDoneEvent,
    ResponseOutputItemAddedEvent,
)

from realtime.protocol.audio_format import WIRE_RATE
from realtime.protocol.extensions import PlaybackEvent
from realtime.protocol.parsing import ServerEvent
from realtime.protocol.server_events import failure_of, timeline_of
from realtime.terminal.client import audio_of
from realtime.terminal.speaker import Progress, SpeakerOutput

_HARMLESS = ("item_truncate_invalid_item_id", "response_cancel_not_active")
"""Codes of errors that merely report that two events crossed on their way."""


class Speaking(Enum):
    """Who has the floor."""

    LISTENING = "listening"
    HEARING = "hearing you"
    THINKING = "thinking"
    SPEAKING = "speaking"


@dataclass(slots=True)
class Heard:
    """Caption of what the user says. Its words may change until it is final."""

    item_id: str
    text: str = ""
    is_final: bool = False


@dataclass(slots=True)
class Word:
    """A word of an answer."""

    text: str
    at: int | None = None
    """Sample of the answer's audio at which it begins; None until that is known."""


@dataclass(slots=True)
class Said:
    """Caption of what the agent says."""

    item_id: str
    response_id: str
    text: str = ""
    words: list[Word] = field(default_factory=list)
    samples: int = 0
    """Samples of its audio that have arrived."""
    spoken: int = 0
    """Words whose playback has begun; in an answer that was cut off, words that were played to their end."""
    is_cut: bool = False
    is_final: bool = False
    arrived: float | None = None
    """When its first audio arrived, in seconds."""
    began: float | None = None
    """When that was played."""
    first_packet_s: float | None = None
    """Seconds from the end of the user's speech to the first packet, as measured by the server."""

    @property
    def shown(self) -> list[Word]:
        """The words up to the end of the sentence that is being spoken. Readers should not run ahead of the voice."""
        rest = (index for index in range(self.spoken, len(self.words)) if _SENTENCE_END.search(self.words[index].text))
        return self.words[: next(rest, len(self.words)) + 1]


@dataclass(slots=True)
class Note:
    """A message to the user that is not part of the conversation."""

    text: str
    is_trouble: bool = False
    is_final: bool = True


Caption = Heard | Said | Note

_MEASURED = {"speech_ended", "first_packet"}

_SENTENCE_END = re.compile(r"[.?!][\"”’)]*$")


class Captions:
    """Captions of one call. They also control the speaker: what it plays, and when it falls silent."""

    def __init__(self, speaker: SpeakerOutput) -> None:
        self.lines: list[Caption] = []
        """Oldest first, without the lines that `take_final` has returned."""
        self.voice_to_voice_s: list[float] = []
        """Seconds from the end of the user's speech to the first sound of each answer that was played."""
        self._input_latency_s = 0.0
        self._speaker = speaker
        self._hearing = False
        self._waiting = False
        """Whether a user turn is over and its answer has not begun."""
        self._response: str | None = None
        self._newest: Said | None = None
        """The newest answer with audio, until its voice-to-voice time is known."""

    @property
    def floor(self) -> Speaking:
        if self._hearing:
            return Speaking.HEARING
        if any(line.samples and not line.is_final for line in self._answers()):
            return Speaking.SPEAKING
        return Speaking.THINKING if self._waiting or self._response else Speaking.LISTENING

    def set_input_latency(self, seconds: float) -> None:
        """Note how old a microphone sample is when it is sent. The server cannot measure that."""
        self._input_latency_s = seconds

    def receive(self, event: ServerEvent, now: float) -> list[ConversationItemTruncateEvent]:
        """Take a server event at the time `now`, in seconds. Returns events to send to the server."""
        match event:
            case InputAudioBufferSpeechStartedEvent():
                self._hearing, self._waiting = True, False
                truncations = self.cut()
                self.lines.append(Heard(event.item_id))
                return truncations
            case InputAudioBufferSpeechStoppedEvent():
                self._hearing, self._waiting = False, True
            case ConversationItemInputAudioTranscriptionDeltaEvent():
                for line in self._heard(event.item_id):
                    line.text += event.delta or ""
            case ConversationItemInputAudioTranscriptionCompletedEvent():
                self._understood(event.item_id, event.transcript.strip())
            case ConversationItemInputAudioTranscriptionFailedEvent():
                self._understood(event.item_id, "")
            case ResponseCreatedEvent():
                self._response, self._waiting = event.response.id, False
            case ResponseOutputItemAddedEvent(item=RealtimeConversationItemAssistantMessage(id=str(item_id))):
                self.lines.append(Said(item_id, event.response_id))
            case ResponseAudioTranscriptDeltaEvent():
                for answer in self._answers(event.item_id):
                    _add_words(answer, event.delta)
            case ResponseAudioDeltaEvent():
                self._add_sound(event, now)
            case ResponseAudioDoneEvent():
                self._speaker.complete(event.item_id)
            case ResponseDoneEvent():
                self._done(event.response)
            case PlaybackEvent():
                if event.item_id is not None:
                    self._speaker.rewind(event.item_id, _in_samples(event.words_ms or []))
                self._speaker.change_volume(event.state)
            case RealtimeErrorEvent() if event.error.code not in _HARMLESS:
                self.note(event.error.message, is_trouble=True)
        return []

    def note(self, text: str, is_trouble: bool = False) -> None:
        """Add a message to the user."""
        self.lines.append(Note(text, is_trouble))

    def advance(self) -> None:
        """Update the captions by the speaker's progress."""
        for progress in self._speaker.progress():
            for answer in self._answers(progress.item_id):
                _follow(answer, progress)
        self._measure()

    def cut(self) -> list[ConversationItemTruncateEvent]:
        """Fall silent. Returns events to send to the server."""
        self.advance()
        stopped = self._speaker.stop()
        for progress in stopped:
            for answer in self._answers(progress.item_id) if progress.played else ():
                _follow(answer, progress)
                _cut(answer, progress.played)
        # Nothing of the others was played.
        self.lines = [line for line in self.lines if not isinstance(line, Said) or line.is_final]
        return [
            ConversationItemTruncateEvent(
                type="conversation.item.truncate",
                item_id=progress.item_id,
                content_index=0,
                audio_end_ms=progress.played * 1000 // WIRE_RATE,
            )
            for progress in stopped
        ]

    def take_final(self) -> list[Caption]:
        """The oldest lines, up to the first that may still change. Each is returned once."""
        count = next((index for index, line in enumerate(self.lines) if not line.is_final), len(self.lines))
        final, self.lines = self.lines[:count], self.lines[count:]
        return final

    def _answers(self, item_id: str | None = None) -> Iterable[Said]:
        """Answers that are not final: that of `item_id`, or all."""
        return [
            line
            for line in self.lines
            if isinstance(line, Said) and not line.is_final and item_id in (None, line.item_id)
        ]

    def _heard(self, item_id: str) -> Iterable[Heard]:
        return [line for line in self.lines if isinstance(line, Heard) and line.item_id == item_id]

    def _understood(self, item_id: str, text: str) -> None:
        for line in self._heard(item_id):
            line.text, line.is_final = text, True
            if not text:  # a cough or a door: there will be no answer
                self._waiting = False
                self.lines.remove(line)

    def _add_sound(self, event: ResponseAudioDeltaEvent, now: float) -> None:
        pcm = audio_of(event)
        for answer in self._answers(event.item_id):
            if answer.arrived is None:
                answer.arrived, self._newest = now, answer
            # The words that arrived just before a piece of audio begin in it.
            words = [word for word in answer.words if word.at is None]
            for index, word in enumerate(words):
                word.at = answer.samples + index * len(pcm) // len(words)
            answer.samples += len(pcm)
            self._speaker.add(answer.item_id, pcm)

    def _done(self, response: RealtimeResponse) -> None:
        if self._response == response.id:
            self._response = None
        if response.status == "failed":
            self.note(failure_of(response), is_trouble=True)
        timeline = timeline_of(response)
        if self._newest and self._newest.response_id == response.id and timeline.keys() >= _MEASURED:
            self._newest.first_packet_s = timeline["first_packet"] / 1000
            self._measure()
        for answer in self._answers():
            if answer.response_id != response.id:
                continue
            self._speaker.complete(answer.item_id)
            if not answer.samples:  # it was stopped before its first audio
                self.lines.remove(answer)

    def _measure(self) -> None:
        answer = self._newest
        if answer is None or answer.began is None or answer.arrived is None or answer.first_packet_s is None:
            return
        self._newest = None
        on_the_way_s = max(0.0, answer.began - answer.arrived)
        self.voice_to_voice_s.append(self._input_latency_s + answer.first_packet_s + on_the_way_s)


def _add_words(answer: Said, delta: str) -> None:
    answer.text += delta
    for index, text in enumerate(answer.text.split()):
        if index < len(answer.words):
            answer.words[index].text = text
        else:
            answer.words.append(Word(text))


def _in_samples(words_ms: Iterable[tuple[float, float]]) -> list[tuple[int, int]]:
    return [(round(start * WIRE_RATE / 1000), round(end * WIRE_RATE / 1000)) for start, end in words_ms]


def _follow(answer: Said, progress: Progress) -> None:
    answer.began = progress.began
    answer.spoken = sum(word.at is not None and word.at < progress.played for word in answer.words)
    answer.is_final = progress.finished


def _cut(answer: Said, played: int) -> None:
    answer.is_cut = True
    # A word counts as spoken when it was played to its end, which is where the next one begins.
    ends = [word.at for word in answer.words[1:]] + [answer.samples]
    answer.spoken = sum(
        word.at is not None and (answer.samples if end is None else end) <= played
        for word, end in zip(answer.words, ends, strict=True)
    )
