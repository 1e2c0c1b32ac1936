"""Profiles: named sets of settings, and which of them a machine can hold.

`able` answers well and is the default. `tiny` answers fast and is often wrong: for small machines, many conversations
at once, and tests.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.thinking.schedule import Mode
from pipeline.weights.machine import Machine
from pipeline.weights.store import ModelStore, known_models

ProfileName = Literal["able", "tiny"]

_MOST_SLOTS = 16
"""KV caches, which are allocated when the decoder is loaded."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of settings that follows the machine's size."""

    decoder: str
    """Name of the decoder's model."""
    context_tokens: int
    threads: int
    """Decoder threads, where the machine has as many cores."""
    temperature: float
    """Sampling temperature: a model that knows the answer should give it, and one that loops needs some chance."""
    thinking: Mode
    """When it thinks about hard questions."""
    sessions_per_core: float
    """Conversations at once whose answers begin within a second or two."""
    least_cores: int
    overhead: int
    """Bytes of memory for everything but the decoder's weights and KV caches: measured, and a tenth more."""

    def settings(self, machine: Machine) -> dict[str, dict[str, object]]:
        """The settings of this profile on `machine`, by table and key. The table `server` belongs to the edges."""
        sessions = self.sessions(machine)
        return {
            "decoder": {
                "model": self.decoder,
                "context_tokens": self.context_tokens,
                "threads": min(self.threads, machine.cores),
                "slots": self._slots(sessions),
                "temperature": self.temperature,
            },
            "agent": {"thinking": self.thinking},
            "server": {"max_sessions": sessions},
        }

    def sessions(self, machine: Machine) -> int:
        """Conversations at once: as many as the cores answer in time and the memory has KV caches for; at least 1."""
        room = (machine.memory - self.memory(0)) // self._cache
        return max(1, min(round(machine.cores * self.sessions_per_core), room))

    def memory(self, slots: int) -> int:
        """Bytes that the agent takes with so many KV caches."""
        return known_models()[self.decoder].size + self.overhead + slots * self._cache

    @property
    def least_memory(self) -> int:
        """Bytes without which the agent does not start: with the KV caches of one conversation and its thoughts."""
        return self.memory(_slots_for(1))

    @property
    def _cache(self) -> int:
        return known_models()[self.decoder].cached_bytes(self.context_tokens)

    def _slots(self, sessions: int) -> int:
        return min(_MOST_SLOTS, _slots_for(sessions))


def _slots_for(sessions: int) -> int:
    """One for each conversation, so that none is read again after another has spoken; two for two streams of one."""
    return max(2, sessions)


PROFILES: dict[ProfileName, Profile] = {
    "able": Profile(
        decoder="qwen2.5-coder-1.5b-instruct",
        context_tokens=4096,
        threads=2,
        temperature=0.1,
        thinking="think_first",
        sessions_per_core=1,
        least_cores=2,
        overhead=1_400_000_000,
    ),
    "tiny": Profile(
        decoder="smollm2-135m-instruct",
        context_tokens=2048,
        threads=1,
        temperature=0.3,
        thinking="off",
        sessions_per_core=2,
        least_cores=1,
        overhead=700_000_000,
    ),
}

DEFAULT: ProfileName = "able"


@dataclass(frozen=True, slots=True)
class Choice:
    """The profile that a machine gets, and why."""

    name: ProfileName
    reason: str
    """What the machine has; after a fall back to another profile, what it lacks."""
    wanted: ProfileName

    @property
    def fell_back(self) -> bool:
        return self.name != self.wanted

    @property
    def profile(self) -> Profile:
        return PROFILES[self.name]


def is_profile(name: object) -> bool:
    return name in get_args(ProfileName)


def choose(wanted: ProfileName, machine: Machine, store: ModelStore) -> Choice:
    """`wanted` where the machine can hold it, else "tiny", which is there for machines that can't."""
    profile = PROFILES[wanted]
    fetched = store.missing_bytes(profile.decoder)
    free = store.free_bytes()
    lacks = []
    if machine.cores < profile.least_cores:
        lacks.append(f"{profile.least_cores} cores ({machine.cores} here)")
    if machine.memory < profile.least_memory:
        lacks.append(f"{_gb(profile.least_memory)} of memory ({_gb(machine.memory)} here)")
    if free < fetched:
        lacks.append(f"{_gb(fetched)} of disk for the weights ({_gb(free)} free)")
    if lacks and wanted != "tiny":
        return Choice("tiny", f"the profile {wanted} needs {', '.join(lacks)}", wanted)
    disk = f"{_gb(fetched)} of weights to fetch, {_gb(free)} of disk free" if fetched else "weights in the cache"
    return Choice(wanted, f"{machine.cores} cores, {_gb(machine.memory)} of memory, {disk}", wanted)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
