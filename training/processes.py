"""The processes of one training, as torchrun starts them: they decide alike, share work, and one of them writes."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

T = TypeVar("T")
Made = TypeVar("Made")


def writes() -> bool:
    """Whether this process writes files and prints: the first one does. All must see the folder that it writes to."""
    return bool(PartialState().is_main_process)


def wait() -> None:
    """Until all processes have come here."""
    PartialState().wait_for_everyone()


def agreed(value: T) -> T:
    """What the first process has, in all of them."""
    shared = [value]
    if PartialState().num_processes > 1:
        broadcast_object_list(shared)
    return shared[0]


def share(number: int) -> int:
    """How many of `number` things each process does, so that together they do at least as many."""
    return -(-number // int(PartialState().num_processes))


def in_parts(work: Callable[[Sequence[T]], list[Made]], items: Sequence[T]) -> list[Made]:
    """`work` on all items, a part of them in each process; what is made of them, in order, in all."""
    state = PartialState()
    if state.num_processes == 1:
        return work(items)
    size = share(len(items))
    made: list[Made] = gather_object(work(items[size * state.process_index : size * (state.process_index + 1)]))
    return made
