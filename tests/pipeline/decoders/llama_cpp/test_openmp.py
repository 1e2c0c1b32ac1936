"""Threads at barriers: awake while the cores are idle, asleep while others need them."""

import subprocess
import sys

import pytest

from pipeline.decoders.llama_cpp.openmp import BarrierSwitch, SleepingTeam, waited_s


class Team(SleepingTeam):
    def __init__(self) -> None:
        super().__init__()
        self.asleep = False

    def assemble(self) -> None:
        self.asleep = True

    def dismiss(self) -> None:
        self.asleep = False


@pytest.mark.parametrize(
    ("looks", "asleep"),
    [
        ([(0, 0), (1, 0.1)], False),  # others of this process need a core now and then
        ([(0, 0), (1, 0.6)], True),
        ([(0, 0), (0.05, 0.05), (1, 0.1)], False),  # too soon to tell
        ([(0, 0), (0.2, 0.2), (0.25, 0.2)], True),  # too soon to tell
        ([(0, 0), (0.2, 0.2), (0.4, 0.2)], False),
        ([(0, 0), (0.2, 0.0), (0.4, 0.2)], True),
    ],
)
def test_threads_sleep_while_some_wait_for_a_core(looks: list[tuple[float, float]], asleep: bool) -> None:
    team, now, waited = Team(), 0.0, 0.0
    switch = BarrierSwitch(team, lambda: now, lambda: waited)
    for now, waited in looks:  # noqa: B007
        switch.look()
    assert team.asleep == asleep


def test_threads_sleep_for_good_where_nobody_knows_whether_they_wait() -> None:
    team = Team()
    BarrierSwitch(team, lambda: 0.0, lambda: None).look()
    assert not team.asleep, "the wait policy is passive, and needs no team"


def test_the_time_for_which_threads_wait_only_grows() -> None:
    before = waited_s()
    assert before is not None
    assert (waited_s() or 0) >= before


_COUNTS = """
from pathlib import Path
from threading import enumerate as threads
from pipeline.decoders.llama_cpp.openmp import SleepingTeam
import os, time

def count():
    return len(list(Path("/proc/self/task").iterdir()))

def until(wanted):
    while count() != wanted:
        os.sched_yield()

alone, team = count(), SleepingTeam()
for _ in range(3):
    team.assemble()
    team.assemble()
    until(alone + os.cpu_count())
    team.dismiss()
    until(alone)
"""


def test_the_team_comes_and_goes() -> None:
    subprocess.run([sys.executable, "-c", _COUNTS], check=True, timeout=60)
