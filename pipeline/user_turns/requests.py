"""A response that the client asks for while the person speaks: it waits for the end of the turn."""

from pipeline.answering.context import AnswerContext
from pipeline.commands import Respond
from pipeline.events import Refused
from pipeline.listening.audio_input import AudioInput


class Requests:
    """Holds at most one request of one conversation back."""

    def __init__(self, context: AnswerContext, audio_input: AudioInput) -> None:
        self._context = context
        self._input = audio_input
        self._held: Respond | None = None

    @property
    def waiting(self) -> bool:
        """Whether a request is held back."""
        return self._held is not None

    def defer(self, request: Respond) -> bool:
        """Hold `request` back if the person speaks, or refuse it as the second one. False: it may be answered now.

        An answer out of band takes the floor from nobody, and waits for nobody.
        """
        if not (request.into_conversation and self._speaking):
            return False
        if self._held is None:
            self._held = request
        else:
            message = "a response waits for the end of the user's turn already"
            code = "conversation_already_has_active_response"
            self._context.outlet.emit(Refused(code, message, None, request.event_id))
        return True

    def take(self) -> Respond | None:
        """The request that may be answered now; None: there is none, or the person still speaks."""
        if self._speaking:
            return None
        return self.withdraw()

    def withdraw(self) -> Respond | None:
        """Forget the request that is held back, and return it."""
        held, self._held = self._held, None
        return held

    @property
    def _speaking(self) -> bool:
        """Whether the person has a turn open. Without turn detection only the client knows."""
        return self._input.utterance is not None and self._context.settings().turn_detection is not None
