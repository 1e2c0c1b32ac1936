"""Tool calls that a model writes as Python: `get_weather(city="Paris")`, alone, in lines or in a list. Pure."""

import ast
import json
from collections.abc import Iterator, Sequence

from pipeline.decoders.decoder import Tool, ToolCall


def python_calls(text: str, tools: Sequence[Tool]) -> list[ToolCall]:
    """The calls that `text` consists of; empty if it is anything else, or calls a function that is not in `tools`.

    Arguments are literals. Those without a name take the names of the tool's parameters in their order.
    """
    try:
        body = ast.parse(text.strip()).body
        nodes = [call for statement in body for call in _expressions(statement)]
        return [_call(node, tools) for node in nodes]
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError, SystemError):
        return []


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions that a statement is made of. Raises `ValueError` for one that is no expression."""
    if not isinstance(statement, ast.Expr):
        raise ValueError("not an expression")
    value = statement.value
    yield from value.elts if isinstance(value, ast.List | ast.Tuple) else (value,)


def _call(node: ast.expr, tools: Sequence[Tool]) -> ToolCall:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError("not a call of a function")
    name = node.func.id
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None:
        raise ValueError(f"there is no tool {name!r}")
    properties = tool.parameters.get("properties")
    names = list(properties) if isinstance(properties, dict) else []
    if len(node.args) > len(names) or any(keyword.arg is None for keyword in node.keywords):
        raise ValueError("arguments without names")
    arguments = {key: ast.literal_eval(value) for key, value in zip(names, node.args, strict=False)}
    arguments |= {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    return ToolCall(name, json.dumps(arguments))
