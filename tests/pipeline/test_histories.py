"""Laws of the history: whatever people, tools and clients do in whatever order, servers accept what a model reads,
and nothing that was understood is lost."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.commands import AddItem, Cancel, DeleteItem, Respond, RetrieveItem, SemanticVad, ServerVad, TruncateItem
from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.decoders.decoder import DecoderError, ToolCall
from pipeline.encoders.encoder import EncoderStream, Glance, Heard
from pipeline.events import (
    Committed,
    ItemAdded,
    ItemRetrieved,
    OutputAdded,
    ResponseDone,
    ResponseStarted,
    Transcribed,
)
from tests.support.scripted import OVER, ScriptedAnswer, ScriptedDecoder, ScriptedEncoder, ScriptedStream
from tests.support.talk import SETTINGS, SPEECH, TEN_WORDS, Talk, talk

STEP = 0.001
"""Difference in level between what a person says and what they say next: by the level, the recognizer knows which."""
SURE, DOUBTFUL = SPEECH, OVER
"""Levels of words of which it is sure, and of words of which it is not."""
DOUBTFUL_LOGPROB = -0.7


class NumberedEncoder(ScriptedEncoder):
    """Recognizes by its number each thing that is said, in whatever piece of the input it is given."""

    def __init__(self) -> None:
        super().__init__([])
        self.understood: set[str] = set()

    def open(self) -> EncoderStream:
        return NumberedStream(self)


class NumberedStream(ScriptedStream):
    _encoder: NumberedEncoder

    def finish(self) -> Heard:
        return Heard(committed=self.glance().text)

    def glance(self) -> Glance:
        levels = [level for level in dict.fromkeys(np.concatenate(self._audio).tolist()) if level >= DOUBTFUL]
        words = [f"Words {number_of(level)}." for level in levels]
        self._encoder.understood.update(words)
        is_sure = any(level >= SURE for level in levels)
        return Glance(" ".join(words), 0.0 if is_sure else DOUBTFUL_LOGPROB, doubted=not words)


def number_of(level: float) -> int:
    return round((level - (SURE if level >= SURE else DOUBTFUL)) / STEP)


@dataclass(frozen=True)
class Step:
    """Something that happens; `number` says to which call or item."""

    kind: str
    number: int = 0
    seconds: float = 0.0


STEPS = st.one_of(
    st.builds(Step, st.sampled_from(["speak", "mumble", "be silent"]), seconds=st.sampled_from([0.1, 0.4, 0.7, 2.5])),
    st.builds(Step, st.just("ask")),
    st.builds(Step, st.sampled_from(["output", "output and respond", "delete", "truncate"]), st.integers(0, 3)),
    st.builds(Step, st.sampled_from(["respond", "cancel", "unknown output", "write", "call", "settle"])),
)
ANSWERS = st.sampled_from(
    [
        "Yes.",
        TEN_WORDS,
        "",
        ToolCall("get_weather", '{"city": "Rome"}'),
        (ToolCall("get_weather", "{}"), ToolCall("send", "")),
        ("Let me see about that.", ToolCall("send", "{}")),
        ("So far so good.", DecoderError("the server is gone")),
        DecoderError("the server is gone"),
    ]
)


@settings(
    max_examples=12,
    deadline=None,
    # A scene takes a second: shrinking one would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.lists(STEPS, min_size=1, max_size=12),
    st.lists(ANSWERS, min_size=1, max_size=4),
    st.sampled_from([SETTINGS.turn_detection, SemanticVad(), ServerVad(0.5, 0.3, 0.5, interrupt_response=False)]),
)
def test_every_history_is_valid_and_nothing_understood_is_lost(
    steps: list[Step], answers: list[ScriptedAnswer], detection: ServerVad | SemanticVad
) -> None:
    asyncio.run(play(steps, ScriptedDecoder(answers * 50), replace(SETTINGS, turn_detection=detection)))


async def play(steps: Iterable[Step], decoder: ScriptedDecoder, session: object) -> None:
    encoder = NumberedEncoder()
    async with talk(decoder=decoder, session=session, encoder=encoder) as conversation:  # type: ignore[arg-type]
        deleted: set[str] = set()
        for number, step in enumerate(steps):
            await happen(conversation, step, number, deleted)
        await conversation.be_silent(4)
        await conversation.settled()
        await conversation.be_silent(60)
        await conversation.settled()
        for number in range(len(decoder.prompts)):
            conversation.messages(number)
        assert_nothing_is_lost(conversation, encoder)
        started = [event.response_id for event in conversation.all(ResponseStarted)]
        assert sorted(event.response_id for event in conversation.all(ResponseDone)) == sorted(started)
        await assert_turns_are_remembered(conversation, deleted)


def assert_nothing_is_lost(conversation: Talk, encoder: NumberedEncoder) -> None:
    told = " ".join(event.final or "" for event in conversation.all(Transcribed))
    assert [text for text in encoder.understood if text not in told] == []


async def assert_turns_are_remembered(conversation: Talk, deleted: set[str]) -> None:
    words = {event.item_id: event.final for event in conversation.all(Transcribed) if event.final is not None}
    turns = [event.item_id for event in conversation.all(Committed) if event.item_id not in deleted]
    await conversation.do(*(RetrieveItem(item_id) for item_id in turns))
    await conversation.settled()
    found = {event.item.id: event.item for event in conversation.all(ItemRetrieved)}
    assert [text_of(found[item_id]) for item_id in turns] == [words[item_id] for item_id in turns]


def text_of(item: Item) -> str | None:
    assert isinstance(item, Message)
    return item.text


async def happen(conversation: Talk, step: Step, number: int, deleted: set[str]) -> None:
    item_id = f"client_{number}"
    calls = [event.item for event in conversation.all(OutputAdded) if isinstance(event.item, FunctionCall)]
    items = [event.item for event in conversation.all(ItemAdded)]
    match step.kind:
        case "speak":
            await conversation.speak(step.seconds, SURE + number * STEP)
        case "be silent":
            await conversation.be_silent(step.seconds)
        case "mumble":
            await conversation.speak(step.seconds, DOUBTFUL + number * STEP)
        case "ask":
            await conversation.ask(SURE + number * STEP)
        case "output" | "output and respond" if calls:
            call = calls[step.number % len(calls)]
            await conversation.do(AddItem(FunctionOutput(item_id, call.call_id, "rain")))
            if step.kind == "output and respond":
                await conversation.do(Respond())
        case "delete" if items:
            deleted.add(items[step.number % len(items)].id)
            await conversation.do(DeleteItem(items[step.number % len(items)].id))
        case "truncate" if items:
            await conversation.do(TruncateItem(items[-1].id, step.number / 2))
        case "unknown output":
            await conversation.do(AddItem(FunctionOutput(item_id, "call_unknown", "rain")))
        case "call":
            await conversation.do(AddItem(FunctionCall(item_id, item_id, "get weather", "{}")))
        case "write":
            await conversation.do(AddItem(Message(item_id, "user", "Written.")))
        case "respond":
            await conversation.do(Respond())
        case "cancel":
            await conversation.do(Cancel())
        case "settle":
            await conversation.settled()
