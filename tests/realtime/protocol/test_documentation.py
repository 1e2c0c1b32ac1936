"""docs/protocol.md names every event and every error code."""

import re
from pathlib import Path
from typing import get_args

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent

PROTOCOL = Path(__file__).parents[3] / "docs" / "protocol.md"


def event_types(union: object) -> set[str]:
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0] for member in members}


@pytest.mark.parametrize(
    ("heading", "union"), [("Client events", RealtimeClientEvent), ("Server events", RealtimeServerEvent)]
)
def test_the_documentation_names_every_event_that_the_package_defines(heading: str, union: object) -> None:
    section = PROTOCOL.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) == len(set(rows))
    assert set(rows) == event_types(union)


def test_the_documentation_names_every_error() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in PROTOCOL.parents[1].glob("realtime/**/*.py"))
    codes = set(re.findall(r'(?:Invalid|error_event|Refusal)\(\s*(?:\d+, )?"(\w+)"', sources))
    assert "invalid_json" in codes
    assert {code for code in codes if f"`{code}`" not in PROTOCOL.read_text(encoding="utf-8")} == set()
