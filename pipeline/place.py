"""What an answer is part of."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.commands import SessionSettings
from pipeline.conversation import Conversation
from pipeline.engine import Engine
from pipeline.gate import Listener
from pipeline.prompt import Prompt
from pipeline.pulse import Pulse


@dataclass(frozen=True, slots=True)
class Place:
    """What an answer is part of."""

    engine: Engine
    conversation: Conversation
    prompt: Prompt
    outlet: Listener
    clock: Callable[[], int]
    """The conversation's time, in input samples."""
    settings: Callable[[], SessionSettings]
    """Those that are in force."""
    thoughts: Prompt
    """The conversation again, for thoughts that are written side by side with the words."""
    pulse: Pulse
    """Beats when the conversation has gone on."""
