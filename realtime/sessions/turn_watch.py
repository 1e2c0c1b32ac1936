"""Whether a turn of a conversation is under way, so that a server that stops can let it end. Pure."""

from pipeline.events import (
    Event,
    OutputAudio,
    ResponseDone,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    Updated,
)

ANSWER_S = 5.0
"""Longest wait for an answer to begin after speech. It begins within a second, or the client wants none."""


PLAYER_S = 1.0
"""Time by which a client plays later than it was sent: the way there, its jitter buffer, the sound card."""


class TurnWatch:
    """Follows one agent's events. Callers pass the time, in seconds.

    A turn lasts from the first word of the user until the answer has been played. The client plays, `PLAYER_S` after
    the audio was sent, and at its own speed.
    """

    def __init__(self, output_rate: int) -> None:
        self._output_rate = output_rate
        self._speaking = False
        self._answers: set[str] = set()
        self._played_at = 0.0
        self._awaited_until = 0.0

    def note(self, event: Event, now: float) -> None:
        match event:
            case Updated():
                self._output_rate = event.settings.output_rate
            case SpeechStarted():
                self._speaking = True
            case SpeechStopped():
                self._speaking = False
                self._awaited_until = now + ANSWER_S
            case ResponseStarted():
                self._answers.add(event.response_id)
                self._awaited_until = now
            case OutputAudio():
                self._played_at = max(self._played_at, now + PLAYER_S) + len(event.pcm) / self._output_rate
            case ResponseDone():
                self._answers.discard(event.response_id)
                if event.status == "cancelled":
                    self._played_at = now

    def is_under_way(self, now: float) -> bool:
        return self._speaking or bool(self._answers) or now < max(self._played_at, self._awaited_until)
