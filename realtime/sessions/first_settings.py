"""Settings with which a session begins: those bound to an ephemeral key, or those sent with a call's offer."""

import json
from collections.abc import Sequence

from openai.types.realtime import RealtimeErrorEvent
from pydantic_core import from_json

from pipeline.commands import Update
from pipeline.events import Updated
from realtime.access.access import Caller
from realtime.protocol.event_bounds import excess
from realtime.protocol.parsing import Invalid, ServerEvent, error_event
from realtime.protocol.session import Session


def begin_with(session: Session, wanted: str) -> Sequence[ServerEvent]:
    """Put the session object `wanted`, in JSON, in force before the session opens.

    Returns an `error` event for each setting that is not supported. Raises `Invalid`, and then nothing is in force.
    """
    if (reason := excess(wanted)) is not None:
        raise Invalid("event_too_large", reason)
    try:
        settings = from_json(wanted)  # bounds the depth, unlike the standard library's
    except ValueError as error:
        raise Invalid("invalid_json", f"The session is not valid JSON: {error}.") from None
    received = session.receive(json.dumps({"type": "session.update", "session": settings}))
    updates = [command for command in received.commands if isinstance(command, Update)]
    if not updates:
        [problem] = [event.error for event in received.events if isinstance(event, RealtimeErrorEvent)]
        raise Invalid(problem.code or "", problem.message, problem.param)
    for update in updates:
        session.report(Updated(update.settings, update.token))
    return received.events


def begin_as(session: Session, caller: Caller) -> Sequence[ServerEvent]:
    """Put the settings bound to the caller's ephemeral key in force, if it has any. Returns `error` events."""
    if caller.secret is None or caller.secret.session is None:
        return ()
    try:
        return begin_with(session, caller.secret.session)
    except Invalid as error:  # they were valid when they were bound, but the server has other models now
        return (error_event(error.code, error.message, error.param),)
