"""Tools that the agent can call in the benchmark, and what it has to call them with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from openai.types.realtime import RealtimeFunctionTool


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call: the right one, or one that the agent made."""

    name: str
    arguments: Mapping[str, str | int]
    result: str = ""
    """What the tool returns, as JSON."""


@dataclass(frozen=True, slots=True)
class Made:
    """A call as the agent made it."""

    name: str
    arguments: str
    """JSON, unless the agent failed to write any."""


def is_right_call(right: Call | None, made: list[Made]) -> bool:
    """Whether the agent made the `right` call and no other one. None: no call at all is right."""
    if right is None or len(made) != 1:
        return right is None and not made
    try:
        arguments = json.loads(made[0].arguments)
    except ValueError:
        return False
    if not isinstance(arguments, dict):
        return False
    return made[0].name == right.name and _plain(arguments) == _plain(right.arguments)


def _plain(arguments: Mapping[str, object]) -> dict[str, str]:
    """Arguments in lower case, numbers as digits."""
    return {name: str(value).strip().lower().removesuffix(".0") for name, value in arguments.items()}


def _tool(name: str, description: str, parameter: str, kind: str, meaning: str) -> RealtimeFunctionTool:
    properties = {parameter: {"type": kind, "description": meaning}}
    parameters = {"type": "object", "properties": properties, "required": [parameter]}
    return RealtimeFunctionTool(type="function", name=name, description=description, parameters=parameters)


TOOLS = [
    _tool("get_weather", "The weather in a city now.", "city", "string", "Name of the city"),
    _tool("set_timer", "Start a kitchen timer.", "minutes", "integer", "Length in minutes"),
    _tool("next_train", "The next train to a city.", "city", "string", "Name of the city"),
]
