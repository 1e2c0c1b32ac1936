"""What is said of answers with code in them: prose as it is, code never."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts.frontend.clauses import ClauseSplitter, clauses_of
from tts.frontend.code_screen import CodeScreen
from tts.frontend.speakable import Unspeakable

SENTENCE = Unspeakable.CODE.sentence
CALL = '{"name": "get_weather", "arguments": {"city": "Paris"}}'


def spoken(*pieces: str) -> str:
    """The words that are said of an answer in `pieces`, as they are written."""
    screen, splitter = CodeScreen(), ClauseSplitter()
    clauses = [clause for piece in pieces for clause in splitter.push(screen.push(piece))]
    clauses += [*splitter.push(screen.flush()), *splitter.flush()]
    return " ".join(word.written for clause in clauses for word in clause.words if word.spoken)


def shown(text: str) -> str:
    screen, splitter = CodeScreen(), ClauseSplitter()
    clauses = [*splitter.push(screen.push(text)), *splitter.push(screen.flush()), *splitter.flush()]
    return " ".join(word.written for clause in clauses for word in clause.words)


CODE = {
    "fenced Python": ("Here it is:\n```python\nx = 1\nprint(x)\n```\nDone.", f"Here it is: {SENTENCE} Done."),
    "fenced after words": ("Here it is: ```python\nx = 1\n```", f"Here it is: {SENTENCE}"),
    "a fence that is never closed": ("Look:\n```\nrm -rf /", f"Look: {SENTENCE}"),
    "other fences": ("~~~sh\nls -l\n~~~", SENTENCE),
    "two blocks": ("One:\n```\na = 1\n```\nTwo:\n```\nb = 2\n```\nEnd.", f"One: {SENTENCE} Two: End."),
    "JSON alone": (CALL, SENTENCE),
    "JSON after words": (f"Sure, here it is: {CALL} Anything else?", f"Sure, here it is: {SENTENCE} Anything else?"),
    "JSON over lines": ('{\n  "a": 1,\n  "b": [1, 2]\n}\nThat is all.', f"{SENTENCE} That is all."),
    "a list of objects": ('[{"a": 1}, {"a": 2}]', SENTENCE),
    "JSON that breaks off": ('{"name": "get_weather", "arguments": {"ci', SENTENCE),
    "a call in tags": (f"<tool_call>\n{CALL}\n</tool_call>", SENTENCE),
    "a call in tags after words": (f"Let me see.\n<tool_call>\n{CALL}", f"Let me see. {SENTENCE}"),
    "a call in other tags": ("[TOOL_CALLS][{}]", SENTENCE),
    "Python alone": ('get_weather(city="Paris")', SENTENCE),
    "Python after words": ('Let me call it.\nprint("Hello")\nDone.', f"Let me call it. {SENTENCE} Done."),
    "Python over lines": ("for i in range(3):\n    print(i)\nThat counts.", f"{SENTENCE} That counts."),
    "an assignment": ("result = get_weather(city='Paris')", SENTENCE),
    "a function": ("def f(x):\n    return x + 1\n", SENTENCE),
    "an import": ("import os\nos.remove('x')\nBe careful.", f"{SENTENCE} Be careful."),
}


@pytest.mark.parametrize("name", CODE)
def test_code_is_replaced_by_one_sentence(name: str) -> None:
    text, said = CODE[name]
    assert spoken(text) == said
    assert spoken(*text) == said


PROSE = [
    "Yes.",
    "It is 42. If you like, I can go on.",
    "if so, we go on, for example to Rome. from there we fly.",
    "x = 5, and y = 6.",
    "f(x) = 2x is a line.",
    "He said [sic] that it rains.",
    "Press [Enter], and then {Shift}.",
    "A smile: :-{ and so it goes on and on and on, for quite a while, until the sentence ends at last.",
    "return to sender, please.",
    "class is over at three.",
    "Use the `print()` function.",
    "I like cats <3 a lot.",
    "[A link](https://example.org) to read.",
    "```\nHello there, how are you?\n```",
]


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_said(text: str) -> None:
    bare = text.removeprefix("```\n").removesuffix("\n```")
    clauses = clauses_of(bare)
    wanted = " ".join(word.written for clause in clauses for word in clause.words if word.spoken)
    assert spoken(text) == spoken(*text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "Yes, of course.",
        "if you're in Rome, then",
        "for example, you could go to Rome or to Paris",
        "with pleasure! and so",
        "return it. you will",
    ],
)
def test_prose_is_not_held_back(text: str) -> None:
    assert len(CodeScreen().push(text)) > len(text) - 12


def test_code_is_still_shown() -> None:
    assert shown(f"Here: {CALL}") == f"Here: {CALL} {SENTENCE}"


words = st.text(string.ascii_lowercase, min_size=1, max_size=8)
prose = st.lists(words, min_size=2, max_size=8).map(lambda found: " ".join(found).capitalize() + ".")


@given(st.lists(prose, min_size=1, max_size=4), st.lists(st.integers(1, 9), max_size=12))
def test_prose_passes_unchanged_however_it_is_cut(sentences: list[str], cuts: list[int]) -> None:
    text = rest = "\n".join(sentences)
    screen, out = CodeScreen(), ""
    for cut in cuts:
        out += screen.push(rest[:cut])
        rest = rest[cut:]
    assert out + screen.push(rest) + screen.flush() == text


@given(prose, st.dictionaries(words, st.integers() | words | st.lists(words, max_size=3), min_size=1), prose)
def test_no_json_is_said_wherever_it_stands(before: str, value: dict[str, object], after: str) -> None:
    for text in (f"{before} {json.dumps(value)} {after}", f"{before}\n{json.dumps(value, indent=2)}\n{after}"):
        assert spoken(*text) == f"{before} {SENTENCE} {after}"


@given(st.text(max_size=200), st.integers(1, 50))
def test_nothing_is_lost_and_nothing_hangs(text: str, size: int) -> None:
    screen = CodeScreen()
    out = "".join(screen.push(text[at : at + size]) for at in range(0, len(text), size)) + screen.flush()
    assert set(filter(str.isalnum, text)) <= set(out)
