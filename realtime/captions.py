"""What was said in a call, as its listener sees it: server events and the speaker's progress in, captions out. Pure."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from realtime.client import WIRE_RATE, audio_of
from realtime.speaker import Progress, Speaker

_HARMLESS = ("item_not_found", "response_cancel_not_active")
"""Errors that only say that two wishes crossed on their way."""


class Floor(Enum):
    """Whose turn it is."""

    LISTENING = "listening"
    HEARING = "hearing you"
    THINKING = "thinking"
    SPEAKING = "speaking"


@dataclass(slots=True)
class Heard:
    """What the person says. The words firm up until they are final."""

    item_id: str
    text: str = ""
    is_final: bool = False


@dataclass(slots=True)
class Word:
    text: str
    at: int | None = None
    """The sample of the answer's sound at which it begins, once that is known."""


@dataclass(slots=True)
class Said:
    """What the agent says."""

    item_id: str
    response_id: str
    text: str = ""
    words: list[Word] = field(default_factory=list)
    samples: int = 0
    """Of its sound, that came so far."""
    spoken: int = 0
    """Words that have begun to sound; of an answer that was cut, those that sounded to their end."""
    is_cut: bool = False
    is_final: bool = False
    arrived: float | None = None
    """When its first sound came, in seconds."""
    began: float | None = None
    """When that sounded."""
    first_packet_s: float | None = None
    """From the end of the person's speech until the server sent that, as the server has measured it."""

    @property
    def shown(self) -> list[Word]:
        """To the end of the sentence that is being spoken: whoever reads on would be led astray."""
        rest = (place for place in range(self.spoken, len(self.words)) if _SENTENCE_END.search(self.words[place].text))
        return self.words[: next(rest, len(self.words)) + 1]


@dataclass(slots=True)
class Note:
    """Something to be said that nobody said aloud."""

    text: str
    is_trouble: bool = False
    is_final: bool = True


Line = Heard | Said | Note

_MEASURED = {"speech_ended", "first_packet"}

_SENTENCE_END = re.compile(r"[.?!][\"”’)]*$")


class Captions:
    """Of one call. It also has the say over the speaker: what it plays, and when it falls silent."""

    def __init__(self, speaker: Speaker) -> None:
        self.lines: list[Line] = []
        """Oldest first, without those that `take_final` has given."""
        self.voice_to_voice_s: list[float] = []
        """From the end of the person's speech to the first sound of the answer, for each that was heard."""
        self.input_latency_s = 0.0
        """How long the person's voice is on its way to the server, which can't know."""
        self._speaker = speaker
        self._hearing = False
        self._waiting = False
        """Whether a turn is over and its answer has not begun."""
        self._response: str | None = None
        self._newest: Said | None = None
        """The newest answer that has sound, until it is known how long that took."""

    @property
    def floor(self) -> Floor:
        if self._hearing:
            return Floor.HEARING
        if any(line.samples and not line.is_final for line in self._answers()):
            return Floor.SPEAKING
        return Floor.THINKING if self._waiting or self._response else Floor.LISTENING

    def receive(self, event: dict[str, Any], now: float) -> list[dict[str, Any]]:
        """Take a server event at the time `now`, in seconds. Gives what the server is to be told."""
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self._hearing, self._waiting = True, False
                truncations = self.cut()
                self.lines.append(Heard(event["item_id"]))
                return truncations
            case "input_audio_buffer.speech_stopped":
                self._hearing, self._waiting = False, True
            case "conversation.item.input_audio_transcription.delta":
                for line in self._heard(event["item_id"]):
                    line.text += event["delta"]
            case "conversation.item.input_audio_transcription.completed":
                self._understood(event["item_id"], event["transcript"].strip())
            case "conversation.item.input_audio_transcription.failed":
                self._understood(event["item_id"], "")
            case "response.created":
                self._response, self._waiting = event["response"]["id"], False
            case "response.output_item.added" if event["item"]["type"] == "message":
                self.lines.append(Said(event["item"]["id"], event["response_id"]))
            case "response.output_audio_transcript.delta":
                for answer in self._answers(event["item_id"]):
                    _add_words(answer, event["delta"])
            case "response.output_audio.delta":
                self._add_sound(event, now)
            case "response.output_audio.done":
                self._speaker.complete(event["item_id"])
            case "response.done":
                self._done(event["response"])
            case "antiphon.playback":
                self._speaker.follow(event["state"])
            case "error" if event["error"].get("code") not in _HARMLESS:
                self.note(event["error"]["message"], is_trouble=True)
        return []

    def note(self, text: str, is_trouble: bool = False) -> None:
        self.lines.append(Note(text, is_trouble))

    def advance(self) -> None:
        """Look how far the speaker has come."""
        for progress in self._speaker.progress():
            for answer in self._answers(progress.item_id):
                _follow(answer, progress)
        self._measure()

    def cut(self) -> list[dict[str, Any]]:
        """Fall silent. Gives what the server is to be told."""
        self.advance()
        stopped = self._speaker.stop()
        for progress in stopped:
            for answer in self._answers(progress.item_id) if progress.played else ():
                _follow(answer, progress)
                _cut(answer, progress.played)
        # The others had not begun to sound.
        self.lines = [line for line in self.lines if not isinstance(line, Said) or line.is_final]
        return [
            {
                "type": "conversation.item.truncate",
                "item_id": progress.item_id,
                "content_index": 0,
                "audio_end_ms": progress.played * 1000 // WIRE_RATE,
            }
            for progress in stopped
        ]

    def take_final(self) -> list[Line]:
        """The oldest lines, as far as they will not change any more; each is given once."""
        count = next((place for place, line in enumerate(self.lines) if not line.is_final), len(self.lines))
        final, self.lines = self.lines[:count], self.lines[count:]
        return final

    def _answers(self, item_id: str | None = None) -> Iterable[Said]:
        """Those that are not final; of `item_id`, or all."""
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
            if not text:  # a cough, or a door: nobody will answer
                self._waiting = False
                self.lines.remove(line)

    def _add_sound(self, event: dict[str, Any], now: float) -> None:
        pcm = audio_of(event)
        for answer in self._answers(event["item_id"]):
            if answer.arrived is None:
                answer.arrived, self._newest = now, answer
            # The words that came just ahead of a piece of sound are the ones that begin in it.
            words = [word for word in answer.words if word.at is None]
            for place, word in enumerate(words):
                word.at = answer.samples + place * len(pcm) // len(words)
            answer.samples += len(pcm)
            self._speaker.add(answer.item_id, pcm)

    def _done(self, response: dict[str, Any]) -> None:
        if self._response == response["id"]:
            self._response = None
        if response["status"] == "failed":
            self.note(response["status_details"]["error"]["message"], is_trouble=True)
        timeline = json.loads((response.get("metadata") or {}).get("timeline", "{}"))
        if self._newest and self._newest.response_id == response["id"] and timeline.keys() >= _MEASURED:
            self._newest.first_packet_s = timeline["first_packet"] / 1000
            self._measure()
        for answer in self._answers():
            if answer.response_id != response["id"]:
                continue
            self._speaker.complete(answer.item_id)
            if not answer.samples:  # it was stopped before its first sound
                self.lines.remove(answer)

    def _measure(self) -> None:
        answer = self._newest
        if answer is None or answer.began is None or answer.arrived is None or answer.first_packet_s is None:
            return
        self._newest = None
        on_the_way_s = max(0.0, answer.began - answer.arrived)
        self.voice_to_voice_s.append(self.input_latency_s + answer.first_packet_s + on_the_way_s)


def _add_words(answer: Said, delta: str) -> None:
    answer.text += delta
    for place, text in enumerate(answer.text.split()):
        if place < len(answer.words):
            answer.words[place].text = text
        else:
            answer.words.append(Word(text))


def _follow(answer: Said, progress: Progress) -> None:
    answer.began = progress.began
    answer.spoken = sum(word.at is not None and word.at < progress.played for word in answer.words)
    answer.is_final = progress.finished


def _cut(answer: Said, played: int) -> None:
    answer.is_cut = True
    # A word counts as said when it was heard to its end, which is where the next one begins.
    ends = [word.at for word in answer.words[1:]] + [answer.samples]
    answer.spoken = sum(
        word.at is not None and (answer.samples if end is None else end) <= played
        for word, end in zip(answer.words, ends, strict=True)
    )
