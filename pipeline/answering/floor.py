"""Who may speak: the answers of one conversation that are being made or played."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from audio.pcm import Pcm
from pipeline.answering.answer import Answer
from pipeline.answering.context import AnswerContext
from pipeline.commands import Cancel, ItemReference, Respond
from pipeline.conversation.history import InvalidCallId, check_call_ids
from pipeline.conversation.items import FunctionOutput, Item, Message
from pipeline.events import Refused, ResumedAnswer, StopReason
from pipeline.listening.turn_taking import TurnTaking
from pipeline.runtime.timeline import Timeline
from tts.synthesizer import UnknownVoice

log = logging.getLogger(__name__)

_MOST_ASIDE = 4
"""Answers out of band that are made at once: each has a task and, while it is written, a context of its own."""


class Floor:
    """The answers that are alive: one is made at a time, earlier ones may still be played. Reports to turn taking."""

    def __init__(self, tasks: asyncio.TaskGroup, context: AnswerContext, turn: TurnTaking) -> None:
        self._tasks = tasks
        self._context = context
        self._turn = turn
        self._given: list[Answer] = []
        """The answers that are being made or played; only the last one may still be made."""
        self._aside: list[Answer] = []
        """Answers made out of band, for the client alone, while another one has the floor."""
        self._held = False
        self._awaited_since: int | None = None
        """The input sample since which the listener waits, if the last answer only made calls."""

    @property
    def taken(self) -> bool:
        """Whether an answer is being made or played."""
        return bool(self._given)

    @property
    def active(self) -> Answer | None:
        """The answer that is being made."""
        return self._given[-1] if self._given and self._given[-1].active else None

    def respond(self, request: Respond, timeline: Timeline, after: Collection[asyncio.Task[Any]]) -> bool:
        """Answer, as soon as the tasks of `after` have ended. False: the client was refused, with the reason.

        An answer that stays out of the conversation waits for no other one, and takes the floor from none.
        """
        out_of_band = not request.into_conversation and bool(self._given)
        if (unknown := self._unknown_reference(request)) is not None:
            message = f"the conversation has no item {unknown!r}"
            self._refuse("item_reference_invalid_item_id", message, request.event_id, "response.input")
            return False
        if (misfit := self._misfit_in_input(request)) is not None:
            self._refuse("invalid_tool_call_id", misfit, request.event_id, "response.input")
            return False
        active = self.active
        if not out_of_band and active is not None and not active.is_stopgap:
            message = f"the response {active.response_id} is still being made"
            self._refuse("conversation_already_has_active_response", message, request.event_id)
            return False
        self._aside = [other for other in self._aside if other.active]
        if out_of_band and len(self._aside) >= _MOST_ASIDE:
            message = f"{_MOST_ASIDE} responses out of band are still being made: wait for one of them"
            self._refuse("conversation_already_has_active_response", message, request.event_id)
            return False
        timeline.stamp("turn_decided")
        try:
            answer = Answer(request, self._context, timeline)
        except UnknownVoice as error:
            self._refuse("invalid_value", str(error), request.event_id, "response.audio.output.voice")
            return False
        answer.begin(self._tasks, after, None if out_of_band else active)
        if out_of_band:
            answer.release(at=0)
            self._aside.append(answer)
        else:
            self.give(answer)
        return True

    def fill(self, text: str) -> None:
        """Say `text`, because the person waits for a tool in silence. A response asked for meanwhile follows it."""
        stopgap = Answer(Respond(words=text, metadata={"stopgap": "tool"}), self._context, Timeline(), stopgap=True)
        stopgap.begin(self._tasks)
        self.give(stopgap)

    def decline(self, request: Respond) -> None:
        """Answer with nothing what asks only for what the person does not want any more."""
        Answer(request, self._context, Timeline()).decline()

    def prepare(self, message: Message, timeline: Timeline) -> Answer | None:
        """Begin to answer `message` before it is certain that the turn is over; `give` lets it be heard.

        None if it can't be begun: the request that follows when the turn is over will be refused with the reason.
        """
        try:
            answer = Answer(Respond(), self._context, timeline, pending=message)
        except UnknownVoice:
            log.warning("an answer could not be begun", exc_info=True)
            return None
        answer.begin(self._tasks)
        return answer

    def give(self, answer: Answer) -> None:
        """Let an answer be played, after those that still are."""
        self.settle()
        answer.release(
            at=self._given[-1].ends if self._given else 0,
            awaited_since=self._awaited_since if self._brings_results() else None,
        )
        self._awaited_since = None
        self._given.append(answer)
        self._turn.responding()

    def stop(self, reason: StopReason) -> bool:
        """Fall silent. False: an answer was stopped of which nothing had been played."""
        was_heard = self.active is None or not self.active.unplayed
        for answer in self._given:
            answer.stop(reason)
        self._given.clear()
        self._held = False
        self._turn.responded()
        return was_heard

    def settle(self) -> None:
        """Give the floor back when everything has been played."""
        if self._given and all(answer.played_out for answer in self._given):
            silent = all(answer.silent for answer in self._given)
            self._awaited_since = self._given[0].awaited_since if silent else None
            self._given.clear()
            self._turn.responded()

    @property
    def worth_resuming(self) -> bool:
        """Whether an answer is being played that could be continued after a word from the listener."""
        return any(answer.worth_resuming for answer in self._given)

    @property
    def said(self) -> str:
        """The words that were played of the answers that are alive."""
        return " ".join(answer.said for answer in self._given).strip()

    def as_played(self, item: Item) -> Item:
        """`item`, of which only the words played so far are left if it is an answer that is still being played."""
        for answer in self._given:
            if answer.speaks(item.id) and isinstance(item, Message) and item.spoken and not answer.played_out:
                return replace(item, text=answer.said, status="incomplete")
        return item

    def hold(self) -> None:
        """Let what is being played wait where it is."""
        self._held = True
        for answer in self._given:
            answer.hold()

    def resume(self) -> ResumedAnswer | None:
        """Let what was held be played on. Returns the answer that was being played; None: none was."""
        if not self._held:
            return None
        self._held = False
        resumed = [answer.resume() for answer in self._given]
        return next((answer for answer in reversed(resumed) if answer is not None), None)

    def take_played(self) -> Pcm | None:
        """The audio that was played since the last call, at 16 kHz; None: there was silence."""
        if self._held or not any(answer.audible for answer in self._given):
            return None
        return np.concatenate([answer.take_played() for answer in self._given])

    def cancel(self, command: Cancel) -> None:
        """Stop the answer being made, as the client commands; by its id, also one that is out of band."""
        for answer in self._aside:
            if answer.active and answer.response_id == command.response_id:
                answer.stop("client_cancelled")
                return
        active = self.active
        if active is None or command.response_id not in (None, active.response_id):
            which = "no active response found"
            if command.response_id is not None:
                which = f"the response {command.response_id} is not active"
            self._refuse("response_cancel_not_active", f"Cancellation failed: {which}", command.event_id)
            return
        self.stop("client_cancelled")

    def hush(self, item_id: str) -> None:
        """The client says how much of this item was played: the rest is dropped, and its playout counts no more."""
        for answer in self._given:
            if answer.speaks(item_id):
                if answer.active:
                    answer.stop("client_cancelled")
                self._given.remove(answer)
                break
        if not self._given:
            self._held = False
            self._turn.responded()

    def _brings_results(self) -> bool:
        """Whether the newest item is what a tool returned."""
        return isinstance(next(reversed(list(self._context.conversation)), None), FunctionOutput)

    def _unknown_reference(self, request: Respond) -> str | None:
        """The first referenced item that the conversation does not have."""
        wanted = (item.item_id for item in request.input or () if isinstance(item, ItemReference))
        return next((item_id for item_id in wanted if item_id not in self._context.conversation), None)

    def _misfit_in_input(self, request: Respond) -> str | None:
        """What is wrong with the ids of the calls and outputs of a request's own input."""
        conversation, items = self._context.conversation, list[Item]()
        for item in request.input or ():
            items.append(conversation[item.item_id] if isinstance(item, ItemReference) else item)
            try:
                check_call_ids(items)
            except InvalidCallId as error:
                return str(error)
        return None

    def _refuse(self, code: str, message: str, event_id: str | None, param: str | None = None) -> None:
        self._context.outlet.emit(Refused(code, message, param, event_id))
