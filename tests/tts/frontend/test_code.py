"""Texts that are code as a whole, and prose that only looks like it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts.frontend.code import Code, code_of

KINDS = {
    '{"name": "get_weather", "arguments": {"city": "Paris"}}': Code.JSON,
    '[{"name": "get_weather", "parameters": {}}]': Code.JSON,
    '```json\n{"a": 1}\n```': Code.JSON,
    '{"name": "get_weather", "arguments": {"ci': Code.JSON,
    "{'name': 'get_weather'}": Code.JSON,
    "{}": Code.JSON,
    '<tool_call>\n{"name": "f"}\n</tool_call>': Code.TOOL_CALL,
    "<function=get_weather>{}</function>": Code.TOOL_CALL,
    "<|python_tag|>get_weather(city='Paris')": Code.TOOL_CALL,
    '[TOOL_CALLS][{"name": "f"}]': Code.TOOL_CALL,
    'get_weather(city="Paris")': Code.PROGRAM,
    "get_time()": Code.PROGRAM,
    'print("Hello")': Code.PROGRAM,
    "import os\nos.remove('x')": Code.PROGRAM,
    "def f(x):\n    return x + 1": Code.PROGRAM,
    "for i in range(3):\n    print(i)": Code.PROGRAM,
    "result = get_weather(city='Paris')": Code.PROGRAM,
    "[get_weather(city='Paris'), get_time()]": Code.PROGRAM,
    "```python\nx = 1\n```": Code.PROGRAM,
    "```\nrm -rf /\n```": Code.PROGRAM,
    # prose
    "": None,
    "Yes": None,
    "Yes, no": None,
    "Hello there!": None,
    "It is 42.": None,
    "42": None,
    "x = 5": None,
    "f(x) = 2": None,
    "f(x)": None,
    "2 + 2 == 4": None,
    "[sic]": None,
    "[1, 2, 3]": None,
    "{as ever}": None,
    "Note: it rains": None,
    "note: it": None,
    "(well)": None,
    "Here it is:\n```python\nx = 1\n```\nDone.": None,
    'He said {"a": 1} is JSON.': None,
    "Call print('x') for it.": None,
    "<b>Hello</b> there": None,
    "<3": None,
    "if so": None,
}


@pytest.mark.parametrize("text", KINDS)
def test_kind(text: str) -> None:
    assert code_of(text) is KINDS[text]


values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


@given(st.dictionaries(st.text(), values))
def test_any_json_object_is_json(value: dict[str, object]) -> None:
    assert code_of(json.dumps(value)) is Code.JSON


@given(st.lists(st.from_regex(r"\A[a-z]{1,9}\Z"), min_size=2).map(lambda words: " ".join(words).capitalize() + "."))
def test_words_are_prose(text: str) -> None:
    assert code_of(text) is None
