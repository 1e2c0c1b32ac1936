"""One conversation: what comes in is heard, turns are taken, answers are given. The wiring; the rest is elsewhere."""

import asyncio
from dataclasses import replace

from pipeline.answers import Answers
from pipeline.audio import INPUT_RATE, silence
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
from pipeline.conversation import Conversation
from pipeline.edits import Edit, edit
from pipeline.endpointing import thresholds
from pipeline.engine import Engine
from pipeline.events import Cleared, ItemAdded, Refused, Updated
from pipeline.gate import Listener
from pipeline.hearing import Hearing, blocks
from pipeline.inbox import Inbox
from pipeline.items import Message
from pipeline.place import Place
from pipeline.prompt import Prompt
from pipeline.prosody import Prosody
from pipeline.pulse import Pulse
from pipeline.turns import Turns
from tts.synthesizer import UnknownVoice


class Agent:
    """`run` holds the conversation until it is cancelled; `do` hands it commands; what happens goes to `outlet`."""

    def __init__(self, engine: Engine, settings: SessionSettings, outlet: Listener) -> None:
        self._engine = engine
        self._settings = settings
        self._outlet = outlet
        self._inbox = Inbox()
        self._conversation = Conversation(engine.settings.agent.max_items)
        self._prompt = Prompt(engine.decoder)
        self._thoughts = Prompt(engine.decoder)
        self._pulse = Pulse()
        limits = thresholds(engine.settings.turn, settings.turn_detection)
        prosody = Prosody() if engine.settings.agent.prosody_note else None
        self._hearing = Hearing(engine.vad, engine.encoder, engine.workers, limits, engine.decoder.ear, prosody)
        self._tasks = asyncio.TaskGroup()
        place = Place(
            engine,
            self._conversation,
            self._prompt,
            outlet,
            clock=lambda: self._hearing.clock,
            settings=lambda: self._settings,
            thoughts=self._thoughts,
            pulse=self._pulse,
        )
        self._answers = Answers(self._tasks, place, self._hearing.turn)
        self._turns = Turns(self._tasks, place, self._hearing, self._answers)

    async def do(self, command: Command) -> None:
        """Hand over a command; waits while the agent is behind, so that who sends too fast is slowed down."""
        await self._inbox.put(command)

    async def run(self) -> None:
        try:
            async with self._tasks:
                await self._begin()
                while True:
                    await self._carry_out(await self._inbox.get())
                    self._pulse.beat()
        finally:
            await self._prompt.close()
            await self._thoughts.close()
            await self._turns.close()

    async def _begin(self) -> None:
        """A session may begin with a voice that nobody has spoken with yet."""
        voice = await self._loaded(self._settings.voice, self._engine.voice)
        if voice != self._settings.voice:
            self._settings = replace(self._settings, voice=voice)
            self._outlet.emit(Updated(self._settings))

    async def _carry_out(self, command: Command) -> None:
        match command:
            case Audio():
                for block in blocks(command.pcm):
                    await self._turns.hear(block, filler=False)
            case Silence():
                for block in blocks(silence(command.samples)):
                    await self._turns.hear(block, filler=True)
            case Update():
                await self._update(command.settings)
            case Commit():
                self._turns.commit(command.event_id)
            case Clear():
                self._turns.drop()
                self._outlet.emit(Cleared())
            case Respond():
                await self._respond(command)
            case Cancel():
                self._answers.cancel(command)
            case Hush():
                self._answers.stop("client_cancelled")
            case AddItem() | RetrieveItem() | DeleteItem() | TruncateItem():
                await self._edit(command)

    async def _respond(self, command: Respond) -> None:
        try:
            if command.voice is not None:
                await self._engine.ready(command.voice)
        except UnknownVoice as error:
            self._outlet.emit(Refused("invalid_value", str(error), "response.audio.output.voice", command.event_id))
        else:
            self._turns.respond(command)

    async def _update(self, settings: SessionSettings) -> None:
        if settings.voice != self._settings.voice:
            settings = replace(settings, voice=await self._loaded(settings.voice, self._settings.voice))
        if (settings.turn_detection is None) != (self._settings.turn_detection is None):
            self._turns.drop()
        self._settings = settings
        self._turns.outdate()
        self._hearing.turn.thresholds = thresholds(self._engine.settings.turn, settings.turn_detection)
        self._outlet.emit(Updated(settings))

    async def _loaded(self, voice: str, usual: str) -> str:
        """`voice`; or `usual` where it can't be loaded, and the client is told why."""
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
            self._answers.hush(command.item_id)
        events = edit(self._conversation, command)
        for event in events:
            self._outlet.emit(event)
        self._turns.outdate()
        is_in = isinstance(events[0], ItemAdded)
        if is_in and isinstance(command, AddItem) and command.audio is not None and isinstance(command.item, Message):
            await self._turns.transcribe(command.item, command.audio)
