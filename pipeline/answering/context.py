"""What an answer is made from."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.answering.fallback import Outage
from pipeline.answering.gate import Listener
from pipeline.commands import SessionSettings
from pipeline.conversation.context_sync import ContextSync
from pipeline.conversation.history import Conversation
from pipeline.engine import Engine
from pipeline.runtime.pulse import Pulse


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """The engine, the conversation and the listener that an answer is made from and for."""

    engine: Engine
    conversation: Conversation
    prompt: ContextSync
    outlet: Listener
    clock: Callable[[], int]
    """The conversation's time, in input samples."""
    settings: Callable[[], SessionSettings]
    """The session settings in force."""
    thoughts: ContextSync
    """A second context of the same conversation, for thoughts that are written side by side with the words."""
    pulse: Pulse
    """Beats when the conversation's time has advanced."""
    outage: Outage = field(default_factory=Outage)
    """Why the decoder does not answer, if that lasts."""
