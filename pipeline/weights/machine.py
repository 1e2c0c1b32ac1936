"""What the machine, or the container that the process runs in, has to offer."""

import os
from dataclasses import dataclass
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores and bytes of memory that this process can have."""

    cores: int
    memory: int

    @classmethod
    def here(cls) -> "Machine":
        return cls(usable_cores(), system_memory())


def usable_cores() -> int:
    """Cores that this process may run on; in a container with a quota, as many as that amounts to, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (_CGROUP / "cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # not in a container, or in one without a quota
        return cores


def system_memory() -> int:
    """Bytes of memory that processes can have: the machine's, or the container's limit."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int((_CGROUP / "memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # not in a container, or in one without a limit
        return physical
