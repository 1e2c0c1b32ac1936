"""The answers of one conversation: one is made at a time, the last ones may still be heard."""

import asyncio
import logging
from collections.abc import Collection
from typing import Any

import numpy as np

from pipeline.answer import Answer
from pipeline.commands import Cancel, Respond
from pipeline.events import Refused, StopReason
from pipeline.items import Message
from pipeline.place import Place
from pipeline.timeline import Timeline
from pipeline.turn import TurnTaking
from tts.synthesizer import Pcm, UnknownVoice

log = logging.getLogger(__name__)


class Answers:
    """Tells turn taking who has the floor."""

    def __init__(self, tasks: asyncio.TaskGroup, place: Place, turn: TurnTaking) -> None:
        self._tasks = tasks
        self._place = place
        self._turn = turn
        self._given: list[Answer] = []
        """Those that are being made or heard; only the last one may still be made."""
        self._held = False

    @property
    def active(self) -> Answer | None:
        """The one that is being made."""
        return self._given[-1] if self._given and self._given[-1].active else None

    def respond(self, request: Respond, timeline: Timeline, after: Collection[asyncio.Task[Any]]) -> bool:
        """Answer, as soon as the tasks of `after` have ended. False: the client was told why not."""
        if (active := self.active) is not None:
            message = f"the response {active.response_id} is still being made"
            self._refuse("conversation_already_has_active_response", message, request.event_id)
            return False
        timeline.stamp("turn_decided")
        try:
            answer = Answer(request, self._place, timeline)
        except UnknownVoice as error:
            self._refuse("invalid_value", str(error), request.event_id, "response.audio.output.voice")
            return False
        answer.begin(self._tasks, after)
        self.give(answer)
        return True

    def prepare(self, message: Message, timeline: Timeline) -> Answer | None:
        """Begin to answer `message` before it is certain that the turn is over; `give` lets it be heard.

        None if it can't be begun: whoever asks for it in earnest will be told why.
        """
        try:
            answer = Answer(Respond(), self._place, timeline, pending=message)
        except UnknownVoice:
            log.warning("an answer could not be begun", exc_info=True)
            return None
        answer.begin(self._tasks)
        return answer

    def give(self, answer: Answer) -> None:
        """Let an answer be heard, behind those that still are."""
        self.settle()
        answer.release(at=self._given[-1].ends if self._given else 0)
        self._given.append(answer)
        self._turn.responding()

    def stop(self, reason: StopReason) -> bool:
        """Fall silent. False: an answer was stopped of which nothing had been heard."""
        was_heard = self.active is None or not self.active.unheard
        for answer in self._given:
            answer.stop(reason)
        self._given.clear()
        self._held = False
        self._turn.responded()
        return was_heard

    def settle(self) -> None:
        """Give the floor back when everything has been heard."""
        if self._given and all(answer.heard_out for answer in self._given):
            self._given.clear()
            self._turn.responded()

    @property
    def worth_going_on(self) -> bool:
        """Whether an answer is being heard that could be gone on with after a word from the listener."""
        return any(answer.worth_going_on for answer in self._given)

    def hold(self) -> None:
        """What is being heard waits where it is."""
        self._held = True
        for answer in self._given:
            answer.hold()

    def go_on(self) -> None:
        self._held = False
        for answer in self._given:
            answer.go_on()

    def played(self) -> Pcm | None:
        """The sound that was played since this was last asked, at the ear's rate; None: there is silence."""
        if self._held or not any(answer.audible for answer in self._given):
            return None
        return np.concatenate([answer.played() for answer in self._given])

    def cancel(self, command: Cancel) -> None:
        """Stop the answer that is being made because the client wants it."""
        active = self.active
        if active is None or command.response_id not in (None, active.response_id):
            which = "no response is" if command.response_id is None else f"the response {command.response_id} is not"
            self._refuse("response_cancel_not_active", f"{which} being made", command.event_id)
            return
        self.stop("client_cancelled")

    def hush(self, item_id: str) -> None:
        """The client says how much of this item was heard: nobody listens to the rest, and nobody reckons any more."""
        for answer in self._given:
            if answer.says(item_id):
                if answer.active:
                    answer.stop("client_cancelled")
                self._given.remove(answer)
                break
        if not self._given:
            self._held = False
            self._turn.responded()

    def _refuse(self, code: str, message: str, event_id: str | None, param: str | None = None) -> None:
        self._place.outlet.emit(Refused(code, message, param, event_id))
