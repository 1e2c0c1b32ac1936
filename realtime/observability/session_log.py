"""Log records of sessions. What people say is recorded only where the settings ask for it."""

import logging

from pipeline.conversation.items import Message
from pipeline.events import Event, OutputDone, ResponseDone, Transcribed
from pipeline.runtime.timeline import Timeline
from realtime.sessions.observer import Client, Observer

log = logging.getLogger(__name__)


class SessionLog(Observer):
    """Logs when sessions begin and end, and answers that fail. `words`: what is said, too."""

    def __init__(self, words: bool) -> None:
        self._words = words
        self._answers: dict[str, int] = {}

    def began(self, client: Client) -> None:
        self._answers[client.session_id] = 0
        log.info("session begun", extra=_fields(client))

    def saw(self, client: Client, event: Event) -> None:
        match event:
            case ResponseDone():
                self._answers[client.session_id] += 1
                if event.status == "failed":
                    log.warning("answer failed", extra=_fields(client) | {"fault": event.fault})
            case Transcribed(final=str(heard)) if self._words:
                log.info("heard", extra=_fields(client) | {"words": heard})
            case OutputDone(item=Message(text=said)) if self._words:
                log.info("said", extra=_fields(client) | {"words": said})

    def delivered(self, client: Client, timeline: Timeline) -> None:
        stages = {stage: round(seconds, 3) for stage, seconds in timeline.since_speech_ended().items()}
        log.debug("answer delivered", extra=_fields(client) | stages)

    def ended(self, client: Client, reason: str, seconds: float) -> None:
        answers = self._answers.pop(client.session_id)
        log.info(
            "session ended",
            extra=_fields(client) | {"reason": reason, "seconds": round(seconds, 1), "answers": answers},
        )


def _fields(client: Client) -> dict[str, object]:
    return {
        "session": client.session_id,
        "transport": client.transport,
        "peer": client.peer,
        "key": client.key or "-",
    }
