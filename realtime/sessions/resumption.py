"""Sessions that a client can resume on another connection, by a token that it was given."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress

from pipeline.events import (
    Event,
    HeardOverAnswer,
    OutputAudio,
    OutputText,
    Playback,
    SpeechStarted,
    SpeechStopped,
    Thoughts,
)
from realtime.protocol.session_state import SessionState, from_json, to_json
from realtime.sessions.state_store import StateStore, StoreError

log = logging.getLogger(__name__)

_TICK_S = 1.0
"""Longest time between a word that is played and the saved state that has it."""
_REFRESH_S = 20.0
"""Interval at which an unchanged state is saved again, so that it outlives the session and not the store's memory."""
_UNCHANGING = (OutputAudio, OutputText, Thoughts, Playback, HeardOverAnswer, SpeechStarted, SpeechStopped)
"""Events that are too many to save at each, and that change nothing but what is being said."""


class Superseded(Exception):
    """Another connection has resumed the session."""


class Resumption:
    """One connection's claim on the state of its session."""

    def __init__(self, store: StateStore, secret: str, state: SessionState | None, lasts_s: float) -> None:
        """`state`: of the session that is resumed; None: it is a new one. `lasts_s`: how long a client may be away."""
        self.secret = secret
        self.state = state
        self.lasts_s = lasts_s
        self._store = store
        self._owner = secrets.token_hex(8)
        self._changed = asyncio.Event()
        self._saved = b""
        self._save_again_at = 0.0

    @classmethod
    async def begin(cls, store: StateStore, secret: str, lasts_s: float) -> "Resumption":
        """Resume the session of that secret, or begin a new one with a secret of its own.

        One that is not known is not adopted: whoever chose it could resume the session later.
        """
        resumption = cls(store, secret, None, lasts_s)
        try:
            saved = await store.claim(_key(secret), resumption._owner)
            resumption.state = None if saved is None else from_json(saved)
        except StoreError as error:
            log.error("a session cannot be resumed: %s", error)
        except ValueError:
            log.exception("the state of a session cannot be read")
        if resumption.state is None:
            resumption.secret = secrets.token_urlsafe(32)
        return resumption

    def note(self, event: Event) -> None:
        """Take note of an event of the agent: most change the conversation."""
        if not isinstance(event, _UNCHANGING):
            self._changed.set()

    async def keep(self, state: Callable[[], SessionState]) -> None:
        """Save the state whenever it changes, until cancelled. Raises `Superseded`."""
        while True:
            await self._save(to_json(state()), self.lasts_s + _REFRESH_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._changed.wait()
            self._changed.clear()

    async def leave(self, state: SessionState) -> None:
        """Save the last state of this connection, from which the next one continues."""
        self._save_again_at = 0.0
        with suppress(Superseded):
            await self._save(to_json(state), self.lasts_s)

    async def _save(self, state: bytes, lasts_s: float) -> None:
        now = asyncio.get_running_loop().time()
        if state == self._saved and now < self._save_again_at:
            return
        try:
            if not await self._store.save(_key(self.secret), self._owner, state, lasts_s):
                raise Superseded
        except StoreError as error:
            # The conversation is worth more than its copy, and the next change is saved again.
            log.error("the state of a session was not saved: %s", error)
            self._saved = b""
            return
        self._saved, self._save_again_at = state, now + _REFRESH_S


def _key(secret: str) -> str:
    """Where the state is kept: who can list the store's keys cannot resume a session by them."""
    return hashlib.sha256(secret.encode()).hexdigest()
