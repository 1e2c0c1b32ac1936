"""A conversation's items as the messages that a decoder reads, valid for chat APIs in whatever order they came. Pure.

Chat APIs demand that one assistant's message holds all calls of an answer, that each result follows it at once, and
that there is a result for every call. So a result stands with its call, however late it came, and a placeholder stands
there before. Source: https://platform.openai.com/docs/guides/function-calling
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.conversation.context_sync import ItemUnits
from pipeline.conversation.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.conversation.run_on_questions import with_question_apart
from pipeline.decoders.decoder import Close, Open, Text, ToolCallUnit, ToolResultUnit, Unit

STILL_RUNNING = "This call is still running. Its result will follow; do not make the call again."
"""What stands for the result of a call that has none yet."""
STOPPED = " —"
"""Follows what was played of a stopped answer, as in transcripts, so that the model knows that it did not finish."""


def as_units(items: Iterable[Item]) -> list[ItemUnits]:
    """What a decoder reads of `items`, in groups that are kept or dropped as a whole: a message, or calls and results.

    Items without content (not transcribed, not played) and results without their call are left out. The words of an
    answer that also makes calls, and stopgaps said while these run, are one message with the calls.
    """
    items = list(items)
    outputs = {item.call_id: item.output for item in items if isinstance(item, FunctionOutput)}
    groups: list[Message | _Round] = []
    by_answer: dict[str, _Round] = {}
    answered = False
    for item in items:
        last = groups[-1] if groups else None
        match item:
            case Message() if not item.readable:
                pass
            case Message(stopgap=True) if isinstance(last, _Round):
                last.words.append(item.text or "")
            case Message():
                groups.append(item)
            case FunctionOutput():
                answered = True
                continue
            case FunctionCall():
                round_ = by_answer.get(item.answer) if item.answer else None
                if round_ is None and not item.answer and not answered and isinstance(last, _Round) and last.foreign:
                    round_ = last
                if round_ is None:
                    round_ = _begun(groups, item)
                    if item.answer:
                        by_answer[item.answer] = round_
                round_.calls.append(item)
        answered = False
    return [_units_of_round(group, outputs) if isinstance(group, _Round) else _units_of(group) for group in groups]


def cue_of_late_results(items: Iterable[Item]) -> str:
    """What a model has to be told about results that came after its last words; "" if there are none.

    They stand with their calls, before those words, where a model does not take them for news.
    """
    names = {item.call_id: item.name for item in items if isinstance(item, FunctionCall)}
    late: list[FunctionOutput] = []
    for item in items:
        if isinstance(item, Message) and item.readable and not item.stopgap:
            late.clear()
        elif isinstance(item, FunctionOutput) and item.call_id in names:
            late.append(item)
    if not late:
        return ""
    results = "\n".join(f"The result of {names[output.call_id]} is there now: {output.output}" for output in late)
    return f"{results}\nTell me about it in your next words."


@dataclass
class _Round:
    """The calls of one answer, with what was said before them and while they ran."""

    item_id: str
    foreign: bool
    """Whether a client wrote the calls."""
    words: list[str] = field(default_factory=list)
    calls: list[FunctionCall] = field(default_factory=list)


def _begun(groups: list[Message | _Round], call: FunctionCall) -> _Round:
    """A new round at the end of `groups`, with the assistant's words directly before it."""
    begun = _Round(call.id, foreign=not call.answer)
    if groups and isinstance(before := groups[-1], Message) and before.role == "assistant":
        groups.pop()
        begun.item_id = before.id
        begun.words.append(_text_of(before))
    groups.append(begun)
    return begun


def _units_of_round(group: _Round, outputs: Mapping[str, str]) -> ItemUnits:
    units: list[Unit] = [Open("assistant")]
    if words := " ".join(filter(None, group.words)):
        units.append(Text(words))
    units += [ToolCallUnit(call.call_id, call.name, _as_object(call.arguments)) for call in group.calls]
    units.append(Close("assistant"))
    for call in group.calls:
        units += [Open("tool"), ToolResultUnit(call.call_id, outputs.get(call.call_id, STILL_RUNNING)), Close("tool")]
    return ItemUnits(group.item_id, tuple(units))


def _as_object(arguments: str) -> str:
    """`arguments` as a JSON object: servers parse them, and refuse a history for ever in which one is not."""
    if not arguments.strip():
        return "{}"
    try:
        valid = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        valid = False
    return arguments if valid else json.dumps({"invalid_json": arguments})


def _units_of(message: Message) -> ItemUnits:
    text = _text_of(message)
    units: tuple[Unit, ...] = (Open(message.role), Text(text), Close(message.role)) if text else ()
    if message.audio_units:
        return ItemUnits(message.id, (Open(message.role), *message.audio_units, Close(message.role)), units)
    return ItemUnits(message.id, units)


def _text_of(message: Message) -> str:
    """What is read of the text of a message; "" if it has none."""
    if not message.text:
        return ""
    said = with_question_apart(message.text) if message.role == "user" else message.text
    text = f"{said} {message.manner}" if message.manner else said
    return f"{text}{STOPPED}" if message.cut_short else text
