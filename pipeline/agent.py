"""One conversation, from commands to events: the wiring of listening, user turns and answering."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from audio.pcm import INPUT_RATE, Pcm, silence
from pipeline.answering.context import AnswerContext
from pipeline.answering.floor import Floor
from pipeline.answering.gate import Listener
from pipeline.answering.stopgaps.tool_waits import ToolWaits, brings_only_unwanted_results
from pipeline.commands import (
    AddItem,
    Audio,
    Cancel,
    Clear,
    Command,
    Commit,
    DeleteItem,
    Hush,
    Respond,
    RetrieveItem,
    SessionSettings,
    Silence,
    TruncateItem,
    Update,
)
from pipeline.conversation.context_sync import ContextSync
from pipeline.conversation.continuation import awaits_answer, continuable
from pipeline.conversation.history import Conversation
from pipeline.conversation.item_edits import Edit, edit
from pipeline.conversation.items import Item, Message
from pipeline.conversation.room import too_long
from pipeline.decoders.decoder import DecoderError
from pipeline.engine import Engine
from pipeline.events import Cleared, ItemAdded, Refused, Updated
from pipeline.inbox import Inbox
from pipeline.listening.audio_input import AudioInput, blocks
from pipeline.listening.endpointing import thresholds
from pipeline.listening.prosody import Prosody
from pipeline.listening.sample_clock import SampleClock
from pipeline.listening.turn_taking import TurnTaking
from pipeline.runtime.pulse import Pulse
from pipeline.runtime.workers import account, accounted
from pipeline.user_turns.coordinator import TurnCoordinator
from tts.synthesizer import Paced, UnknownVoice

log = logging.getLogger(__name__)

_REMEMBERED_CHARACTERS_A_TOKEN = 64
"""Text that a conversation holds, for each token of the context: about sixteen contexts of English."""


class Agent:
    """Holds one conversation: `run` lasts until it is cancelled, `do` hands over commands, events go to `outlet`."""

    def __init__(self, engine: Engine, settings: SessionSettings, outlet: Listener, items: Sequence[Item] = ()) -> None:
        """`items`: a conversation to continue, as `items` of another agent returned it."""
        self._engine = engine
        self._settings = settings
        self._outlet = outlet
        self._inbox = Inbox()
        self._conversation = Conversation(
            engine.settings.agent.max_items, _REMEMBERED_CHARACTERS_A_TOKEN * engine.settings.decoder.context_tokens
        )
        for item in items:
            self._conversation.insert(item)
        self._prompt = ContextSync(engine.decoder)
        self._thoughts = ContextSync(engine.decoder)
        self._pulse = Pulse()
        clock = SampleClock()
        turn = TurnTaking(thresholds(engine.settings.turn, settings.turn_detection))
        context = AnswerContext(
            engine,
            self._conversation,
            self._prompt,
            outlet,
            clock=clock.now,
            settings=lambda: self._settings,
            thoughts=self._thoughts,
            pulse=self._pulse,
        )
        self._tasks = asyncio.TaskGroup()
        self._floor = Floor(self._tasks, context, turn)
        self._input = AudioInput(
            engine.vad,
            engine.encoder,
            engine.workers,
            turn,
            clock,
            self._floor.take_played,
            softer_db=engine.settings.turn.softer_db,
            speaker_encoder=engine.speaker_encoder,
            sound_encoder=engine.decoder.audio_encoder,
            prosody=Prosody() if engine.settings.agent.prosody_note else None,
        )
        self._turns = TurnCoordinator(self._tasks, context, self._input, self._floor)
        self._tool_waits = ToolWaits(context, self._floor)

    async def do(self, command: Command) -> None:
        """Hand over a command. Waits while too many are unprocessed, which slows down a client that sends too fast."""
        await self._inbox.put(command)

    def items(self) -> tuple[Item, ...]:
        """The conversation so far, from which another agent can continue it.

        What is still to be played of an answer is left out, and so is a turn that is not transcribed yet.
        """
        return tuple(continuable(map(self._floor.as_played, self._conversation)))

    async def run(self) -> None:
        try:
            with accounted(account() or object()):
                async with self._tasks:
                    await self._begin()
                    if awaits_answer(self._conversation, self._settings.turn_detection):
                        self._turns.respond(Respond())
                    while True:
                        await self._carry_out(await self._inbox.get())
                        self._pulse.beat()
        finally:
            await self._prompt.close()
            await self._thoughts.close()
            await self._turns.close()

    async def _begin(self) -> None:
        """Load the voice that the session begins with, perhaps for the first time; its speed may not be to be had."""
        voice = await self._loaded(self._settings.voice, self._engine.voice)
        settings = replace(self._settings, voice=voice)
        settings = replace(settings, speed=self._speed_in_force(settings))
        if settings != self._settings:
            self._settings = settings
            self._outlet.emit(Updated(self._settings))
        self._turns.read_ahead()

    async def _carry_out(self, command: Command) -> None:
        match command:
            case Audio():
                for block in blocks(command.pcm):
                    await self._hear(block, filler=False)
            case Silence():
                for block in blocks(silence(command.samples)):
                    await self._hear(block, filler=True)
            case Update():
                await self._update(await self._with_room(command), command.token)
            case Commit():
                self._turns.commit(command.event_id)
            case Clear():
                self._turns.drop()
                self._outlet.emit(Cleared())
            case Respond():
                await self._respond(command)
            case Cancel():
                withdrawn = self._turns.requests.withdraw() if command.response_id is None else None
                if self._floor.active is not None or withdrawn is None:
                    self._floor.cancel(command)
            case Hush():
                self._floor.stop("client_cancelled")
            case AddItem() | RetrieveItem() | DeleteItem() | TruncateItem():
                await self._edit(command)

    async def _hear(self, block: Pcm, filler: bool) -> None:
        await self._turns.hear(block, filler=filler)
        self._tool_waits.advance(self._turns.at_rest)

    async def _respond(self, command: Respond) -> None:
        try:
            if command.voice is not None:
                await self._engine.ready(command.voice)
        except UnknownVoice as error:
            self._outlet.emit(Refused("invalid_value", str(error), "response.audio.output.voice", command.event_id))
        else:
            wants_news = command.into_conversation and command.input is None and not command.instructions
            if wants_news and self._turns.at_rest and brings_only_unwanted_results(self._conversation):
                self._floor.decline(command)
            else:
                self._turns.respond(command)

    async def _update(self, settings: SessionSettings, token: int | None) -> None:
        if settings.voice != self._settings.voice:
            settings = replace(settings, voice=await self._loaded(settings.voice, self._settings.voice))
        settings = replace(settings, speed=self._speed_in_force(settings))
        if (settings.turn_detection is None) != (self._settings.turn_detection is None):
            self._turns.drop()
        rewritten = (settings.instructions, settings.tools) != (self._settings.instructions, self._settings.tools)
        self._settings = settings
        self._turns.outdate()
        if rewritten:
            self._turns.read_ahead()
        self._input.turn.adopt(thresholds(self._engine.settings.turn, settings.turn_detection))
        self._outlet.emit(Updated(settings, token))

    async def _with_room(self, command: Update) -> SessionSettings:
        """The settings of `command`; with the instructions and tools in force, if the new ones cannot fit."""
        settings, now = command.settings, self._settings
        if (settings.instructions, settings.tools) == (now.instructions, now.tools):
            return settings
        limits = self._engine.settings
        reserve = limits.decoder.max_tokens + (limits.agent.thought_budget if settings.thinking != "off" else 0)
        try:
            culprit = await too_long(self._engine.decoder, settings.instructions, settings.tools, reserve)
        except DecoderError:
            # The answer will meet the same trouble, and reports it.
            log.warning("the decoder could not count the tokens of a session's instructions", exc_info=True)
            return settings
        if culprit is None:
            return settings
        message = (
            f"The session's {culprit} leave no room for a conversation in the {self._engine.decoder.capacity} tokens "
            f"of the decoder's context, of which {reserve} are kept for an answer. Shorten them, "
            "or raise decoder.context_tokens where the model allows it; what was in force stays."
        )
        self._outlet.emit(Refused("context_length_exceeded", message, f"session.{culprit}", command.event_id))
        return replace(settings, instructions=now.instructions, tools=now.tools, tool_choice=now.tool_choice)

    def _speed_in_force(self, settings: SessionSettings) -> float:
        """The speed that is asked for, where the voice can be paced."""
        return settings.speed if isinstance(self._engine.synthesizer.open(settings.voice), Paced) else 1.0

    async def _loaded(self, voice: str, usual: str) -> str:
        """Load `voice` and return it; where it can't be loaded, tell the client why and return `usual`."""
        try:
            await self._engine.ready(voice)
        except UnknownVoice as error:
            self._outlet.emit(Refused("invalid_value", str(error), "session.audio.output.voice", None))
            return usual
        return voice

    async def _edit(self, command: Edit) -> None:
        limit_s = self._engine.settings.turn.max_turn_s
        if isinstance(command, AddItem) and command.audio is not None and len(command.audio) > limit_s * INPUT_RATE:
            message = f"a message holds at most {limit_s:g} s of audio"
            self._outlet.emit(Refused("audio_too_long", message, "item.content", command.event_id))
            return
        if isinstance(command, TruncateItem):
            self._floor.hush(command.item_id)
        events = edit(self._conversation, command)
        for event in events:
            self._outlet.emit(event)
        if not isinstance(command, RetrieveItem):
            self._turns.outdate()
        is_in = isinstance(events[0], ItemAdded)
        if is_in and isinstance(command, AddItem) and command.audio is not None and isinstance(command.item, Message):
            await self._turns.transcribe(command.item, command.audio)
