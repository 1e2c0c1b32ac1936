"""What a client's walk through a conversation must have come to, step by step."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.speech import recordings, word_errors

PROGRAMS = Path(__file__).parent / "programs"
CLIENTS = Path(__file__).parents[2] / ".venv" / "clients"
STEPS = ("connect", "turn_04", "turn_12", "barge_in", "tool", "text", "cancel", "close", "reconnect")
"""In this order; the two turns are named after the recordings that are spoken."""

_TURN_ERRORS = 0.34
_LONGEST_WALK_S = 480


@dataclass(frozen=True, slots=True)
class Walk:
    """What one client reported of each step, and what else it printed."""

    steps: dict[str, dict[str, Any]]
    output: str

    def check(self, step: str, *, transcribes: bool = True) -> None:
        """`transcribes`: whether the client asks for the words of what the person says."""
        assert step in self.steps, f"the walk ended before {step!r}:\n{self.output[-3000:]}"
        facts = self.steps[step]
        assert "failed" not in facts, facts
        assert facts["errors"] == [], facts
        match step:
            case "turn_04" | "turn_12":
                assert facts["answer"], facts
                assert facts["answers"] == 1, facts
                if transcribes:
                    (heard,) = facts["heard"]
                    assert word_errors(recordings()[step].text, heard) <= _TURN_ERRORS, facts
            case "barge_in":
                assert facts["interruptions"] == 1, facts
                assert facts["truncations"] <= 1, facts
                assert len(facts["heard"]) == (2 if transcribes else 0), facts
            case "tool":
                assert len(facts["tools"]) == 1, facts
                assert facts["tools"][0]["place"] in ("museum", "library"), facts
                assert facts["answer"], facts
                assert facts["answers"] == 1, facts
            case "text" | "reconnect":
                assert facts["answer"], facts
                assert facts["answers"] == 1, facts
            case "cancel":
                assert facts["cut"] is True, facts


def environment(name: str) -> Path:
    """Where `make test-clients` has set a client up."""
    folder = CLIENTS / name
    assert (folder / ".made").is_file(), f"there is no {folder}: `make test-clients` sets it up"
    return folder


def python(name: str) -> list[str]:
    """The command that runs a client's Python program."""
    return [str(environment(name) / "bin" / "python"), str(PROGRAMS / f"{name}.py")]


async def walk(command: list[str], *arguments: str) -> Walk:
    """Run a client's program to its end."""
    process = await asyncio.create_subprocess_exec(
        *command, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(_LONGEST_WALK_S):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    output = printed.decode(errors="replace")
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"step"')]
    return Walk({facts["step"]: facts for facts in lines}, output)
