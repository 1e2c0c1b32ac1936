"""Acknowledges tools that take long, shows signs of life, and knows which results nobody waits for any more."""

from collections.abc import Iterable

from audio.pcm import INPUT_RATE
from pipeline.answering.context import AnswerContext
from pipeline.answering.floor import Floor
from pipeline.answering.stopgaps.patience import Patience
from pipeline.answering.stopgaps.wording import acknowledgement, gives_up
from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message


class ToolWaits:
    """Watches the calls of one conversation that have no output yet.

    It speaks only where the agent answers by itself, aloud, and nobody else has the floor.
    """

    def __init__(self, context: AnswerContext, floor: Floor) -> None:
        self._context = context
        self._floor = floor
        self._calls: frozenset[str] = frozenset()
        """Ids of the calls that `_patience` is about."""
        self._patience: Patience | None = None
        self._silent_since = 0

    def advance(self, at_rest: bool) -> None:
        """Time has passed. `at_rest`: nobody speaks, and nothing that was said waits for an answer."""
        conversation, now = self._context.conversation, self._context.clock()
        if not conversation.unanswered or not at_rest or self._floor.taken or not self._may_speak:
            self._silent_since = now
            return
        given_up = calls_given_up(conversation)
        calls = [call for call in conversation.unanswered if call.answer and call.call_id not in given_up]
        self._watch(calls)
        if self._patience is not None and (text := self._patience.due(now - self._silent_since)):
            self._floor.fill(text)

    @property
    def _may_speak(self) -> bool:
        settings = self._context.settings()
        detection = settings.turn_detection
        return settings.modality == "audio" and detection is not None and detection.create_response

    def _watch(self, calls: list[FunctionCall]) -> None:
        ids = frozenset(call.call_id for call in calls)
        if ids <= self._calls and ids:
            return
        self._calls, self._patience = ids, None
        if not calls:
            return
        settings = self._context.engine.settings.stopgaps
        phrases = (acknowledgement((call.name for call in calls), settings), *settings.again)
        self._patience = Patience(round(settings.tool_s * INPUT_RATE), round(settings.again_s * INPUT_RATE), phrases)
        if _was_announced(calls[-1], self._context.conversation):
            self._patience.skip()


def calls_given_up(items: Iterable[Item]) -> frozenset[str]:
    """Ids of the calls whose result the person said not to want, before it came."""
    waiting: set[str] = set()
    given_up: set[str] = set()
    for item in items:
        match item:
            case FunctionCall():
                waiting.add(item.call_id)
            case FunctionOutput():
                waiting.discard(item.call_id)
            case Message(role="user") if waiting and gives_up(item.text or ""):
                given_up |= waiting
                waiting.clear()
    return frozenset(given_up)


def brings_only_unwanted_results(items: Iterable[Item]) -> bool:
    """Whether all that came since the last words are results that the person said not to want."""
    items = list(items)
    came: set[str] = set()
    for item in reversed(items):
        if isinstance(item, FunctionOutput):
            came.add(item.call_id)
        elif not (isinstance(item, Message) and (item.stopgap or not item.readable)):
            break
    return bool(came) and came <= calls_given_up(items)


def _was_announced(call: FunctionCall, items: Iterable[Item]) -> bool:
    """Whether the agent has said something since the person spoke, in the answer that made the call or after it."""
    spoke = made = False
    for item in items:
        match item:
            case Message(role="assistant") if item.text:
                spoke = True
            case Message(role="user") if item.readable and not made:
                spoke = False
            case FunctionCall():
                made = made or item.answer == call.answer
    return spoke
